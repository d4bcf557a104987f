"""What is expected of a table as a whole: frames of its days, gaps and columns, each with a declared schema.

Days are those of UTC.
"""

from __future__ import annotations

import dataframely as dy
import polars as pl

from kuntur.fields.schema import ENUMS, FRAUD_KIND, LABEL_COLUMNS, SOURCE_ROW
from trainer.settings.data import CheckSettings

_DAY = pl.col("event_time").dt.date().alias("day")
# A source may mark a few verifications and leave the type of all others open: no column with holes.
_NOT_MEASURED = {"type", SOURCE_ROW, FRAUD_KIND, *LABEL_COLUMNS}
_SAME = (
    "institution_id",
    "account_id",
    "event_time",
    "amount_minor",
    "merchant_id",
    "counterparty_account_id",
)


def days(frame: pl.DataFrame) -> pl.DataFrame:
    """Returns the days with transactions, how many, and their share of the median day's.

    Without the first and the last day, of which the data may hold a part only.
    """
    counts = frame.group_by(_DAY).agg(transactions=pl.len()).sort("day")
    return counts.with_columns(
        share_of_median=pl.col("transactions") / pl.col("transactions").median()
    ).slice(1, max(counts.height - 2, 0))


def day_schema(limits: CheckSettings) -> type[dy.Schema]:
    """Returns what is expected of a day."""

    class Day(dy.Schema):
        day = dy.Date(nullable=True)
        share_of_median = dy.Float64(
            nullable=True,
            min=limits.min_day_share,
            description=f"a day has at least {limits.min_day_share:.0%} of the median day's transactions",
        )

    return Day


def gaps(frame: pl.DataFrame) -> pl.DataFrame:
    """Returns the days with transactions but the last, each with how many days without any follow it."""
    before = pl.col("next_day").shift(1)
    counts = frame.select(_DAY.alias("next_day")).unique().sort("next_day")
    empty = (pl.col("next_day") - before).dt.total_days() - 1
    return counts.select(day=before, empty_days=empty).slice(1)


def gap_schema(limits: CheckSettings) -> type[dy.Schema]:
    """Returns what is expected of the time between days with transactions."""

    class Gap(dy.Schema):
        day = dy.Date(nullable=True)
        empty_days = dy.Int64(
            nullable=True,
            max=limits.max_gap_days,
            description=f"at most {limits.max_gap_days} days in a row have no transaction",
        )

    return Gap


def columns(frame: pl.DataFrame) -> pl.DataFrame:
    """Returns the columns that are given in any row, with the share of rows in which they are not."""
    shares = {name: _missing(frame, name) for name in frame.columns if name not in _NOT_MEASURED}
    given = {name: share for name, share in shares.items() if share < 1}
    return pl.DataFrame(
        {"column": list(given), "missing_share": list(given.values())},
        schema={"column": pl.String, "missing_share": pl.Float64},
    )


def _missing(frame: pl.DataFrame, name: str) -> float:
    values = frame[name]
    if values.dtype == pl.String:
        empty = int((values == "").sum())
    else:
        empty = int((values == 0).sum()) if name in ENUMS else values.null_count()
    return empty / max(frame.height, 1)


def column_schema(limits: CheckSettings) -> type[dy.Schema]:
    """Returns what is expected of a column."""

    class Column(dy.Schema):
        column = dy.String(nullable=True)
        missing_share = dy.Float64(
            nullable=True,
            max=limits.max_missing_share,
            description=f"a column that is given at all is missing in at most {limits.max_missing_share:.0%} "
            "of rows",
        )

    return Column


def whole(frame: pl.DataFrame) -> pl.DataFrame:
    """Returns one row of figures of the table: known frauds, and shares (0 to 1) of its rows or labels."""
    rows = max(frame.height, 1)
    largest = frame.select(pl.col("account_id").value_counts(sort=True).struct.field("count").first()).item()
    distinct = frame.select(pl.struct(_SAME).n_unique()).item() if frame.height else 0
    return frame.select(
        known_frauds=pl.col("is_fraud").sum().cast(pl.Int64),
        fraud_share=pl.col("is_fraud").mean(),
        repeated_share=pl.lit((frame.height - distinct) / rows, dtype=pl.Float64),
        largest_account_share=pl.lit((largest or 0) / rows, dtype=pl.Float64),
    )


def whole_schema(limits: CheckSettings) -> type[dy.Schema]:
    """Returns what is expected of the table."""

    class Whole(dy.Schema):
        known_frauds = dy.Int64(nullable=True, min=1, description="some transaction is known to be fraud")
        fraud_share = dy.Float64(
            nullable=True,
            min=limits.min_fraud_share,
            max=limits.max_fraud_share,
            description=f"{limits.min_fraud_share:.3%} to {limits.max_fraud_share:.0%} of labels are fraud",
        )
        repeated_share = dy.Float64(
            nullable=True,
            max=limits.max_repeated_share,
            description=f"at most {limits.max_repeated_share:.1%} of transactions repeat another's account, "
            "moment, amount and receiver under an id of their own",
        )
        largest_account_share = dy.Float64(
            nullable=True,
            max=limits.max_account_share,
            description=f"no account has more than {limits.max_account_share:.0%} of all transactions; one "
            "that does may stand for unknown ones",
        )

    return Whole
