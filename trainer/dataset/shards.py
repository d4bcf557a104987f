"""The replay of a history cut up by entity, for as many cores as there are.

A feature depends on the transactions and outcomes of one account, merchant, device or category, and on the
hours in which reports became known in the whole history. So each shard replays the transactions of some
entities of one kind and gives the columns of that kind, the bits that the replay in one go gives. Ray carries
the shards; `replay_shard` knows nothing of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from kuntur.features import CATALOGUE, Feature, FeatureEngine, FeatureMatrix
from kuntur.features.engine import latest_hours
from kuntur.features.label_changes import LabelChanges, label_changes
from kuntur.time_zone import TimeZone, time_zone
from kuntur.transaction import KeyColumn, OutcomeBatch, TransactionBatch
from trainer.cluster.connection import ClusterError, connected
from trainer.dataset.history import Replay, replay_here
from trainer.settings.searching import RaySettings

# By the field that names the entity: its kind, as the engine calls it, and the column of its key.
_KINDS = {
    "account_id": ("account", KeyColumn.ACCOUNT),
    "merchant_id": ("merchant", KeyColumn.MERCHANT),
    "device_id": ("device", KeyColumn.DEVICE),
    "merchant_category_code": ("category", KeyColumn.CATEGORY),
}
KINDS = dict(_KINDS.values())
_OF_THE_ROW = "account"  # kind whose shards also give the columns that need no history
_LARGEST_SHARD = 1_000_000  # rows, about 0.4 GB of a worker's memory
# With fewer rows or cores one process is done as soon: it takes 3 µs a row, the shards together 4 and putting
# them together 0.7, however many cores there are; and Ray needs some seconds to start.
SHARDED_FROM_ROWS, SHARDED_FROM_CORES = 5_000_000, 4


@dataclass(frozen=True, slots=True)
class Shard:
    """Part `number` of the `of` parts that the entities of a kind are cut into."""

    kind: str
    number: int
    of: int


@dataclass(frozen=True, slots=True)
class History:
    """What all shards look at: the transactions, what outcomes change, `latest_hours`, and the time zone."""

    batch: TransactionBatch
    changes: LabelChanges
    hours: npt.NDArray[np.int64]
    zone: TimeZone


def kind_of(feature: Feature) -> str:
    """Returns the kind of entity from whose history a feature comes, the first that its sources name."""
    named = [_KINDS[field][0] for field in feature.source if field in _KINDS]
    return named[0] if named else _OF_THE_ROW


@cache
def columns_of(kind: str) -> slice | npt.NDArray[np.intp]:
    """Returns the columns of the catalogue that shards of a kind give; a slice where they are neighbours."""
    columns = np.array([i for i, feature in enumerate(CATALOGUE) if kind_of(feature) == kind], dtype=np.intp)
    if len(columns) and columns[-1] - columns[0] == len(columns) - 1:
        return slice(int(columns[0]), int(columns[-1]) + 1)
    return columns


def history(batch: TransactionBatch, outcomes: OutcomeBatch, zone: TimeZone | None = None) -> History:
    """Returns what the shards of a replay look at; arguments as for `FeatureEngine` and its `replay`."""
    return History(batch, label_changes(outcomes), latest_hours(batch), zone or time_zone())


def shard_rows(keys: npt.NDArray[np.uint64], shard: Shard) -> npt.NDArray[np.intp]:
    """Returns the rows of a shard, ascending; keys: uint64 [n, KeyColumn]. Each row is in one shard a kind.

    Transactions without such an entity have no history and go to the shards in turn.
    """
    key = keys[:, KINDS[shard.kind]]
    number = key % np.uint64(shard.of)
    absent = np.flatnonzero(key == 0)
    number[absent] = absent % shard.of
    return np.flatnonzero(number == shard.number)


def replay_shard(whole: History, shard: Shard) -> FeatureMatrix:
    """Returns the columns of a kind for the rows of a shard, float32 [rows, columns]."""
    rows = shard_rows(whole.batch.keys, shard)
    changed = whole.changes.keys[:, KINDS[shard.kind]]
    theirs = (changed != 0) & (changed % np.uint64(shard.of) == shard.number)
    engine = FeatureEngine(kinds=(shard.kind,), zone=whole.zone)
    batch = TransactionBatch(whole.batch.keys[rows], whole.batch.ints[rows], whole.batch.floats[rows], {})
    return engine.replay_changes(batch, whole.changes.rows(theirs), whole.hours[rows], columns_of(shard.kind))


def shards(rows: int, cores: int) -> tuple[Shard, ...]:
    """Returns the shards of a history, so many that all cores work and none needs much memory."""
    of = max(cores, -(-rows // _LARGEST_SHARD))
    return tuple(Shard(kind, number, of) for number in range(of) for kind in KINDS)


def assemble(matrix: FeatureMatrix, keys: npt.NDArray[np.uint64], shard: Shard, part: FeatureMatrix) -> None:
    """Writes what a shard gave into the matrix of all, float32 [n, catalogue]."""
    matrix[_cells(shard_rows(keys, shard), columns_of(shard.kind))] = part


def _cells(rows: npt.NDArray[np.intp], columns: slice | npt.NDArray[np.intp]) -> Any:
    return (rows, columns) if isinstance(columns, slice) else np.ix_(rows, columns)


def sharded_replay(
    batch: TransactionBatch,
    outcomes: OutcomeBatch,
    progress: Callable[[int], None] | None = None,
    zone: TimeZone | None = None,
) -> FeatureMatrix:
    """Returns what `FeatureEngine(zone=zone).replay` gives, by tasks of the Ray that is connected.

    The transactions are in the object store once. Beside the matrix, at most one part of it a core is in
    memory; parts that are lost with a node are computed again. Raises ClusterError.
    """
    import ray

    matrix = np.empty((len(batch), len(CATALOGUE)), dtype=np.float32)
    cores = max(1, int(ray.cluster_resources().get("CPU", 1)))
    waiting = list(reversed(shards(len(batch), cores)))
    whole = ray.put(history(_without_attributes(batch), outcomes, zone))
    task = ray.remote(num_cpus=1)(replay_shard)
    running: dict[Any, Shard] = {}
    done = 0
    try:
        while waiting or running:
            while waiting and len(running) < cores:
                shard = waiting.pop()
                running[task.remote(whole, shard)] = shard
            (ready,), _ = ray.wait(list(running), num_returns=1)
            part = ray.get(ready)
            assemble(matrix, batch.keys, running.pop(ready), part)
            done += len(part)
            if progress is not None:
                progress(done // len(KINDS))
    except ray.exceptions.RayError as error:
        raise ClusterError(f"Ray could not replay the history: {error}") from error
    return matrix


def _without_attributes(batch: TransactionBatch) -> TransactionBatch:
    return TransactionBatch(batch.keys, batch.ints, batch.floats, {})


def replay_of(settings: RaySettings, rows: int) -> Replay:
    """Returns how to replay so many rows: in this process, or by shards on Ray (`ray.replay`)."""
    if settings.replay == "local" or (settings.replay == "auto" and not _worth_it(settings, rows)):
        return replay_here

    def replay(
        batch: TransactionBatch,
        outcomes: OutcomeBatch,
        progress: Callable[[int], None] | None,
        zone: TimeZone,
    ) -> FeatureMatrix:
        with connected(settings):
            return sharded_replay(batch, outcomes, progress, zone)

    return replay


def _worth_it(settings: RaySettings, rows: int) -> bool:
    cores = len(os.sched_getaffinity(0))
    return rows >= SHARDED_FROM_ROWS and (settings.address is not None or cores >= SHARDED_FROM_CORES)
