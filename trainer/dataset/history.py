"""History replayed: transactions with the features that serving them in this order gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from kuntur.features import FeatureMatrix
from kuntur.tables import Table, to_batch
from kuntur.time_zone import TimeZone, time_zone
from kuntur.transaction import IntColumn, TransactionBatch
from trainer.dataset.computing import Served, matrix_here
from trainer.sources.labels import NAME, KnownOutcomes, known_outcomes


@dataclass(frozen=True, slots=True)
class Replayed:
    """Transactions in event order with the features that serving them in this order gives.

    ids: institution_id and transaction_id, which together name a transaction; features: float32
    [n, catalogue]; attributes: by name, float64 [n]; currency, amount: as by `amounts`; is_fraud: bool [n],
    False where no label is known.
    """

    ids: pl.DataFrame
    features: FeatureMatrix
    attributes: dict[str, npt.NDArray[np.float64]]
    currency: str
    amount: npt.NDArray[np.float64]
    is_fraud: npt.NDArray[np.bool_]


def replay(
    table: Table,
    secret: npt.NDArray[np.uint64],
    progress: Callable[[int], None] | None = None,
    zone: TimeZone | None = None,
) -> Replayed:
    """Replays a table with its outcomes, each from the hour after its report on.

    zone: in which features count hours and days, by default Peru's.
    """
    batch = to_batch(table.frame, secret)
    _, served = served_rows(table, batch, zone or time_zone())
    return Replayed(
        table.frame.select(NAME),
        matrix_here(served, progress),
        batch.attributes,
        *amounts(table.frame, batch),
        labels(table.frame),
    )


def served_rows(table: Table, batch: TransactionBatch, zone: TimeZone) -> tuple[KnownOutcomes, Served]:
    """Returns a table's outcomes by row, and its rows as they were served. batch: the table's."""
    known, outcomes = known_outcomes(table, batch.keys)
    if not table.served_by_source_row:
        return known, Served(batch, outcomes, zone)
    order = table.frame["source_row"].arg_sort().to_numpy().astype(np.int64)
    if np.array_equal(order, np.arange(len(order))):
        return known, Served(batch, outcomes, zone)
    return known, Served(batch.rows(order), outcomes, zone, order)


def amounts(frame: pl.DataFrame, batch: TransactionBatch) -> tuple[str, npt.NDArray[np.float64]]:
    """Returns the most frequent currency, empty when there is no row, and the amounts in it.

    float64 [n], units of that currency, 0 for a transaction in another, so that sums are of one money.
    """
    currency = main_currency(frame["currency_code"])
    of_currency = (frame["currency_code"] == currency).to_numpy()
    return currency, np.where(of_currency, batch.ints[:, IntColumn.AMOUNT_CENTS] / 100.0, 0.0)


def labels(frame: pl.DataFrame) -> npt.NDArray[np.bool_]:
    """Returns which rows are known to be fraud, bool [n]."""
    return frame["is_fraud"].fill_null(value=False).to_numpy()


def main_currency(codes: pl.Series) -> str:
    """Returns the most frequent currency, the first by name of several; empty when there is no row."""
    counts = codes.value_counts(name="rows").sort(["rows", codes.name], descending=[True, False])
    return str(counts[codes.name][0]) if len(counts) else ""
