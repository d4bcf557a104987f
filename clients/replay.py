"""The order in which a file goes to a server so that the server knows, at each row, what was known then.

An outcome counts from the full hour after its report. So rows are cut at the full hours of their
event time, and before an hour's rows all outcomes reported before that hour are told. A server fed
like this computes the same features as an offline replay of the same file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import polars as pl

_HOUR_US = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Step:
    """Outcomes to tell once everything before is answered, then rows to send."""

    outcome_count: int
    """How many outcomes to take next, in the order of their report."""

    start: int
    stop: int
    """The rows: from `start` to before `stop`."""


def within(column: str, since: datetime | None, until: datetime | None) -> pl.Expr:
    """Returns the condition since <= column < until; a bound that is None does not bind."""
    condition = pl.lit(value=True)
    if since is not None:
        condition &= pl.col(column) >= since
    if until is not None:
        condition &= pl.col(column) < until
    return condition


def rows_between(frame: pl.DataFrame, since: datetime | None, until: datetime | None) -> pl.DataFrame:
    """Returns the rows with since <= event_time < until, oldest first, rows of one moment as they stood."""
    return frame.filter(within("event_time", since, until)).sort("event_time", maintain_order=True)


def outcomes_between(frame: pl.DataFrame, since: datetime | None, until: datetime | None) -> pl.DataFrame:
    """Returns the labels of any row with since <= reported_time < until, in the order of their report.

    Columns: transaction_id, institution_id, is_fraud, reported_time; none is null.
    """
    known = frame.filter(pl.col("is_fraud").is_not_null() & pl.col("reported_time").is_not_null())
    return (
        known.filter(within("reported_time", since, until))
        .sort("reported_time", maintain_order=True)
        .select("transaction_id", "institution_id", "is_fraud", "reported_time")
    )


def hourly_steps(rows: pl.DataFrame, outcomes: pl.DataFrame) -> Iterator[Step]:
    """Cuts rows, as `rows_between` gives them, at full hours (UTC), and puts outcomes between.

    Every outcome comes before the first row of a later hour than its report and after the rows of the
    hours up to it; those that no row follows make a last step without rows.
    """
    event_us = _epoch_us(rows["event_time"])
    reported_us = _epoch_us(outcomes["reported_time"])
    hours, starts = np.unique(event_us // _HOUR_US, return_index=True)
    stops = np.append(starts[1:], len(event_us)).tolist()
    told_counts = np.searchsorted(reported_us, hours * _HOUR_US, side="left").tolist()
    told = 0
    for start, stop, told_count in zip(starts.tolist(), stops, told_counts, strict=True):
        yield Step(told_count - told, start, stop)
        told = told_count
    if told < len(reported_us):
        yield Step(len(reported_us) - told, len(event_us), len(event_us))


def joined_steps(steps: Iterator[Step]) -> Iterator[Step]:
    """Joins each step that tells nothing to the one before it: no barrier is needed between the two."""
    joined: Step | None = None
    for step in steps:
        if joined is not None and step.outcome_count == 0:
            joined = Step(joined.outcome_count, joined.start, step.stop)
            continue
        if joined is not None:
            yield joined
        joined = step
    if joined is not None:
        yield joined


def _epoch_us(column: pl.Series) -> npt.NDArray[np.int64]:
    return column.dt.epoch("us").to_numpy()
