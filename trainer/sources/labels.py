"""What was known of transactions at a moment: labels come late, and a later one may correct an earlier."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import numpy.typing as npt
import polars as pl

from kuntur.fields.schema import FRAUD_KIND
from kuntur.tables import Table, to_outcomes
from kuntur.transaction import OutcomeBatch

# Together these name a transaction.
NAME = ["institution_id", "transaction_id"]
_LABEL = ["is_fraud", "reported_time"]


@dataclass(frozen=True, slots=True)
class KnownOutcomes:
    """Outcomes of the rows of a table, by the time of their report.

    row: intp [m], the number of the row; reported_time_us: int64 [m], ascending; is_fraud: bool [m].
    """

    row: npt.NDArray[np.intp]
    reported_time_us: npt.NDArray[np.int64]
    is_fraud: npt.NDArray[np.bool_]

    def labels(self, rows: int, at_us: int) -> npt.NDArray[np.bool_]:
        """Returns the labels of all rows as known at a moment, bool [rows]: fraud where that was known."""
        reported = self.reported_time_us <= at_us
        labels = np.zeros(rows, dtype=np.bool_)
        labels[self.row[reported]] = self.is_fraud[reported]  # of several of one row the last one stays
        return labels


def known_at(table: Table, moment: datetime) -> Table:
    """Returns the table as it was known at a moment: without later reports, and with the labels until then.

    Of several outcomes of one transaction the last one that changed its label holds.
    """
    by_then = pl.col("reported_time") <= moment
    if table.outcomes is None:
        labels = [pl.when(by_then).then(pl.col(name)).alias(name) for name in _LABEL]
        if table.kinds is not None:
            labels.append(pl.when(by_then).then(pl.col(FRAUD_KIND)).otherwise(pl.lit("")).alias(FRAUD_KIND))
        return replace(table, frame=table.frame.with_columns(labels))
    outcomes = table.outcomes.filter(by_then)
    changes = pl.col("is_fraud").ne_missing(pl.col("is_fraud").shift().over(NAME))
    last = outcomes.filter(changes).unique(NAME, keep="last")
    frame = table.frame.drop(_LABEL).join(last, on=NAME, how="left", maintain_order="left")
    return replace(table, frame=frame.select(table.frame.columns), outcomes=outcomes)


def known_outcomes(table: Table, keys: npt.NDArray[np.uint64]) -> tuple[KnownOutcomes, OutcomeBatch]:
    """Returns a table's outcomes by row, and as the feature engine takes them.

    keys: uint64 [n, len(KeyColumn)], those of the table's rows.
    """
    if table.outcomes is None:
        batch, rows = to_outcomes(table.frame, keys)
        return KnownOutcomes(rows, batch.reported_time_us, batch.is_fraud), batch
    numbered = table.frame.select(*NAME, pl.int_range(pl.len()).alias("row"))
    told = table.outcomes.join(numbered, on=NAME, maintain_order="left")
    row = told["row"].to_numpy().astype(np.intp)
    known = KnownOutcomes(
        row, told["reported_time"].dt.timestamp("us").to_numpy(), told["is_fraud"].to_numpy()
    )
    return known, OutcomeBatch(np.ascontiguousarray(keys[row]), known.reported_time_us, known.is_fraud)
