"""History replayed: transactions with the features that serving them in this order gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from kuntur.features import FeatureEngine, FeatureMatrix
from kuntur.tables import Table, to_batch
from kuntur.time_zone import TimeZone, time_zone
from kuntur.transaction import IntColumn, OutcomeBatch, TransactionBatch
from trainer.sources.labels import NAME, KnownOutcomes, known_outcomes

Replay = Callable[[TransactionBatch, OutcomeBatch, Callable[[int], None] | None, TimeZone], FeatureMatrix]


@dataclass(frozen=True, slots=True)
class Replayed:
    """Transactions in event order with the features that serving them in this order gives.

    ids: institution_id and transaction_id, which together name a transaction; features: float32
    [n, catalogue]; attributes: by name, float64 [n]; currency: the most frequent one, empty when there is no
    row; amount: float64 [n], units of that currency, 0 for a transaction in another, so that sums are of one
    money; is_fraud: bool [n], False where no label is known; outcomes: how the labels came to be known.
    """

    ids: pl.DataFrame
    features: FeatureMatrix
    attributes: dict[str, npt.NDArray[np.float64]]
    currency: str
    amount: npt.NDArray[np.float64]
    is_fraud: npt.NDArray[np.bool_]
    outcomes: KnownOutcomes


def replay(
    table: Table,
    secret: npt.NDArray[np.uint64],
    progress: Callable[[int], None] | None = None,
    compute: Replay | None = None,
    zone: TimeZone | None = None,
) -> Replayed:
    """Replays a table with its outcomes, each from the hour after its report on.

    compute: how, of `shards.replay_of`; by default in this process. zone: in which features count hours and
    days, by default Peru's.
    """
    frame = table.frame
    batch = to_batch(frame, secret)
    known, outcomes = known_outcomes(table, batch.keys)
    features = _served_features(table, batch, outcomes, progress, compute or replay_here, zone or time_zone())
    currency = main_currency(frame["currency_code"])
    of_currency = (frame["currency_code"] == currency).to_numpy()
    return Replayed(
        frame.select(NAME),
        features,
        batch.attributes,
        currency,
        np.where(of_currency, batch.ints[:, IntColumn.AMOUNT_CENTS] / 100.0, 0.0),
        frame["is_fraud"].fill_null(value=False).to_numpy(),
        known,
    )


def replay_here(
    batch: TransactionBatch,
    outcomes: OutcomeBatch,
    progress: Callable[[int], None] | None,
    zone: TimeZone,
) -> FeatureMatrix:
    """Returns what serving would have given, computed in this process."""
    return FeatureEngine(zone=zone).replay(batch, outcomes, progress)


def _served_features(
    table: Table,
    batch: TransactionBatch,
    outcomes: OutcomeBatch,
    progress: Callable[[int], None] | None,
    compute: Replay,
    zone: TimeZone,
) -> FeatureMatrix:
    order = table.frame["source_row"].arg_sort().to_numpy() if table.served_by_source_row else None
    if order is None or np.array_equal(order, np.arange(len(order))):
        return compute(batch, outcomes, progress, zone)
    served = compute(batch.rows(order), outcomes, progress, zone)
    features = np.empty_like(served)
    features[order] = served
    return features


def main_currency(codes: pl.Series) -> str:
    """Returns the most frequent currency, the first by name of several; empty when there is no row."""
    counts = codes.value_counts(name="rows").sort(["rows", codes.name], descending=[True, False])
    return str(counts[codes.name][0]) if len(counts) else ""
