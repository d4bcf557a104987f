"""The replay of a history cut up by entity, for as many cores as there are.

A feature depends on the transactions and outcomes of one account, merchant, device or category, and on the
hours in which reports became known in the whole history. So each shard replays the transactions of some
entities of one kind and gives the columns of that kind, the bits that the replay in one go gives. Ray carries
the shards; `replay_shard` knows nothing of it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from kuntur.features import CATALOGUE, Feature, FeatureEngine, FeatureMatrix
from kuntur.features.engine import latest_hours
from kuntur.features.label_changes import LabelChanges, label_changes
from kuntur.time_zone import TimeZone, time_zone
from kuntur.transaction import KeyColumn, OutcomeBatch, TransactionBatch
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


def shards_pay(settings: RaySettings, rows: int) -> bool:
    """Tells whether so many rows are replayed by shards on Ray (`ray.replay`), or in this process."""
    if settings.replay == "auto":
        cores = len(os.sched_getaffinity(0))
        return rows >= SHARDED_FROM_ROWS and (settings.address is not None or cores >= SHARDED_FROM_CORES)
    return settings.replay == "sharded"
