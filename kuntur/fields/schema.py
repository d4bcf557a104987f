"""The canonical table: one row a transaction, the same columns whatever file it came from.

What each field means stands in `transaction.proto`; which values are allowed, in `rules`.
"""

from __future__ import annotations

import polars as pl

from kuntur.transaction import ATTRIBUTE_PREFIX, AccountType, Channel, TransactionType

TIME = pl.Datetime("us", "UTC")

# Text is "" and never null when not given; what may be null is said beside it.
TRANSACTION_COLUMNS: dict[str, pl.DataType] = {
    "transaction_id": pl.String(),
    "institution_id": pl.String(),
    "event_time": TIME,
    "account_id": pl.String(),
    "amount_minor": pl.Int64(),
    "currency_code": pl.String(),
    "type": pl.Int8(),  # number of kuntur.transaction.TransactionType
    "channel": pl.Int8(),  # number of Channel
    "account_type": pl.Int8(),  # number of AccountType
    "account_balance_minor": pl.Int64(),  # null: not known
    "account_age_days": pl.Int32(),  # null: not known
    "counterparty_account_id": pl.String(),
    "merchant_id": pl.String(),
    "merchant_category_code": pl.String(),
    "merchant_country_code": pl.String(),
    "merchant_latitude": pl.Float64(),  # degrees; null: not known
    "merchant_longitude": pl.Float64(),
    "device_id": pl.String(),
    "ip_address": pl.String(),
}

LABEL_COLUMNS: dict[str, pl.DataType] = {
    "is_fraud": pl.Boolean(),  # null: not labelled
    "reported_time": TIME,  # when the label became known; set exactly when is_fraud is
}

SOURCE_ROW = "source_row"  # Int64, number of the row in the source over all its files, from 0

ENUMS: dict[str, type[TransactionType] | type[Channel] | type[AccountType]] = {
    "type": TransactionType,
    "channel": Channel,
    "account_type": AccountType,
}

# Text in a form of its own, into which [values] of a mapping may translate what a file says instead.
CODES = ("currency_code", "merchant_category_code", "merchant_country_code")

TEXT_FIELDS = tuple(name for name, dtype in TRANSACTION_COLUMNS.items() if dtype == pl.String)
REQUIRED_FIELDS = ("transaction_id", "event_time", "account_id", "amount_minor", "currency_code")
OUTCOME_REQUIRED_FIELDS = ("transaction_id",)
OUTCOME_COLUMNS = ("transaction_id", "institution_id", "is_fraud", "reported_time")


def canonical_schema(attributes: tuple[str, ...] = ()) -> dict[str, pl.DataType]:
    """Returns the columns and their types, in order; attributes: names without prefix."""
    return {
        **TRANSACTION_COLUMNS,
        **{ATTRIBUTE_PREFIX + name: pl.Float64() for name in attributes},
        **LABEL_COLUMNS,
        SOURCE_ROW: pl.Int64(),
    }


def attribute_columns(frame: pl.DataFrame) -> list[str]:
    """Returns the names of the columns that are attributes, in the order of the frame."""
    return [name for name in frame.columns if name.startswith(ATTRIBUTE_PREFIX)]
