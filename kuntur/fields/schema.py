"""The canonical table: one row a transaction, the same columns whatever file it came from.

What each field means and which values it may have is declared in `kuntur.fields.transaction`. Text is "" and
never null when it is not given, a code of an enum 0; other columns may be null.
"""

from __future__ import annotations

from enum import IntEnum

import polars as pl

from kuntur.fields import outcome
from kuntur.fields.kinds import Attributes, Choice, Field, Moment, Text, Whole
from kuntur.fields.transaction import CHOICES, TEXTS, TRANSACTION_FIELDS
from kuntur.transaction import ATTRIBUTE_PREFIX

TIME = pl.Datetime("us", "UTC")


def _type(field: Field) -> pl.DataType:
    match field:
        case Text():
            return pl.String()
        case Moment():
            return TIME
        case Choice():
            return pl.Int8()
        case Whole():
            return pl.Int32() if field.bits == 32 else pl.Int64()
        case _:
            return pl.Float64()


TRANSACTION_COLUMNS: dict[str, pl.DataType] = {
    field.name: _type(field) for field in TRANSACTION_FIELDS if not isinstance(field, Attributes)
}

IS_FRAUD = "is_fraud"
LABEL_COLUMNS: dict[str, pl.DataType] = {
    IS_FRAUD: pl.Boolean(),  # null: not labelled
    outcome.REPORTED_TIME.name: TIME,  # when the label became known; set exactly when is_fraud is
}

# String, what kind of fraud a row was; "" on other rows and where it is not known. Only in tables whose
# source says it, to judge by: never an input.
FRAUD_KIND = "fraud_kind"

SOURCE_ROW = "source_row"  # Int64, number of the row in the source over all its files, from 0

ENUMS: dict[str, type[IntEnum]] = {field.name: field.enum for field in CHOICES}

# Text in a form of its own, into which [values] of a mapping may translate what a file says instead.
CODES = tuple(field.name for field in TEXTS if field.codes is not None or field.digits)

TEXT_FIELDS = tuple(field.name for field in TEXTS)
REQUIRED_FIELDS = tuple(field.name for field in TRANSACTION_FIELDS if field.required)
OUTCOME_REQUIRED_FIELDS = (outcome.TRANSACTION_ID.name,)
OUTCOME_COLUMNS = (outcome.TRANSACTION_ID.name, outcome.INSTITUTION_ID.name, *LABEL_COLUMNS)


def canonical_schema(attributes: tuple[str, ...] = (), *, kinds: bool = False) -> dict[str, pl.DataType]:
    """Returns the columns and their types, in order.

    attributes: names without prefix; kinds: whether it says what kind of fraud a row was.
    """
    return {
        **TRANSACTION_COLUMNS,
        **{ATTRIBUTE_PREFIX + name: pl.Float64() for name in attributes},
        **LABEL_COLUMNS,
        **({FRAUD_KIND: pl.String()} if kinds else {}),
        SOURCE_ROW: pl.Int64(),
    }


def attribute_columns(frame: pl.DataFrame) -> list[str]:
    """Returns the names of the columns that are attributes, in the order of the frame."""
    return [name for name in frame.columns if name.startswith(ATTRIBUTE_PREFIX)]
