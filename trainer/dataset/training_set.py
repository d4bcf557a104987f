"""The training set: every transaction with the features that serving would have given it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from kuntur.features import FEATURE_NAMES
from kuntur.tables import Table, to_batch
from kuntur.time_zone import TimeZone, time_zone
from kuntur.transaction import ATTRIBUTE_PREFIX, TransactionBatch
from trainer.dataset.features import Features
from trainer.dataset.history import amounts, labels, served_rows
from trainer.dataset.keeping import Keeping, computed
from trainer.evaluation.segments import Segment, segment_columns
from trainer.sources.labels import KnownOutcomes

_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class Dataset:
    """Transactions in event order as arrays.

    features: of n rows and len(names) columns, read when they are wanted; names: of the catalogue, then of
    the attributes; event_time_us: int64 [n]; is_fraud: bool [n]; outcomes: when that became known; amount:
    float64 [n], units of `currency`, the most frequent one, and 0 for a transaction in another; account,
    merchant: int64 [n], numbers from 0 in the order of their first transaction, accounts by institution, -1
    without a merchant; source_row: int64 [n], place in the source; segments: by name, what a row belongs to;
    zone: in which features count hours and days.
    """

    features: Features
    names: tuple[str, ...]
    event_time_us: npt.NDArray[np.int64]
    is_fraud: npt.NDArray[np.bool_]
    outcomes: KnownOutcomes
    currency: str
    amount: npt.NDArray[np.float64]
    account: npt.NDArray[np.int64]
    merchant: npt.NDArray[np.int64]
    source_row: npt.NDArray[np.int64]
    segments: Mapping[str, Segment]
    zone: TimeZone = field(default_factory=time_zone)

    def __len__(self) -> int:
        return len(self.is_fraud)

    def labels_at(self, at_us: int) -> npt.NDArray[np.bool_]:
        """Returns the labels as they stood at a moment, bool [n]: fraud where that was known."""
        return self.outcomes.labels(len(self), at_us)


def build(
    table: Table,
    secret: npt.NDArray[np.uint64],
    progress: Callable[[int], None],
    keeping: Keeping | None = None,
    zone: TimeZone | None = None,
) -> Dataset:
    """Replays a table through the engine, with each outcome from the hour of its report on.

    keeping: where the features go, which by default stay in memory; zone: as for `history.replay`. Raises
    ClusterError where Ray computes them.
    """
    zone, frame = zone or time_zone(), table.frame
    batch = to_batch(frame, secret)
    known, served = served_rows(table, batch, zone)
    names = FEATURE_NAMES + tuple(ATTRIBUTE_PREFIX + name for name in table.attributes)
    key = [] if keeping is None else [table.data_hash, secret.tobytes().hex()]
    features = computed(served, _attributes(table, batch), names, key, keeping, progress)
    currency, amount = amounts(frame, batch)
    return Dataset(
        features=features,
        names=names,
        event_time_us=frame["event_time"].dt.timestamp("us").to_numpy(),
        is_fraud=labels(frame),
        outcomes=known,
        currency=currency,
        amount=amount,
        account=_numbers(frame.select("institution_id", "account_id")),
        merchant=np.where((frame["merchant_id"] == "").to_numpy(), -1, _numbers(frame.select("merchant_id"))),
        source_row=frame["source_row"].to_numpy(),
        segments=segment_columns(frame),
        zone=zone,
    )


def _attributes(table: Table, batch: TransactionBatch) -> npt.NDArray[np.float32]:
    """Returns the attributes, float32 [n, attributes]; the training libraries refuse what overflows it."""
    columns = np.empty((len(batch), len(table.attributes)), dtype=np.float32)
    for place, name in enumerate(table.attributes):
        columns[:, place] = np.clip(batch.attributes[name], -_LARGEST, _LARGEST)
    return columns


def _numbers(ids: pl.DataFrame) -> npt.NDArray[np.int64]:
    """Numbers rows of ids by first appearance, int64 [n]."""
    known = ids.unique(maintain_order=True).with_row_index("number")
    numbered = ids.join(known, on=ids.columns, how="left", maintain_order="left")
    return numbered["number"].to_numpy().astype(np.int64)


def informative(features: Features) -> npt.NDArray[np.bool_]:
    """Tells which columns vary at all, bool [columns]: the others cannot tell fraud apart."""
    kept = np.zeros(features.shape[1], dtype=np.bool_)
    first: npt.NDArray[np.float32] | None = None
    for block in features.blocks():
        first = block[0].copy() if first is None else first
        for column in np.flatnonzero(~kept):
            values, value = block[:, column], first[column]
            kept[column] = not np.all((values == value) | (np.isnan(values) & np.isnan(value)))
    return kept
