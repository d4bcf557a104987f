"""The feature engine: transactions and outcomes in, a float32 matrix out, histories kept in between.

It is not safe for threads: callers that share an engine hold a lock around each call.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kuntur.features import kernel
from kuntur.features.catalogue import CATALOGUE, feature_index
from kuntur.features.label_changes import LabelChanges, label_changes
from kuntur.records import adding, table
from kuntur.records.layout import ACCOUNT_RECORD_WORDS, HOUR_S, MICROSECONDS, PROFILE_RECORD_WORDS
from kuntur.records.undo import NO_UNDO
from kuntur.time_zone import TimeZone, time_zone
from kuntur.transaction import ATTRIBUTE_PREFIX, IntColumn, OutcomeBatch, TransactionBatch

FeatureMatrix = npt.NDArray[np.float32]

_HOUR_US = HOUR_S * MICROSECONDS
_CHUNK = 16_384  # rows for which room is made at a time
ENTITIES = {
    "account": ACCOUNT_RECORD_WORDS,
    "merchant": PROFILE_RECORD_WORDS,
    "device": PROFILE_RECORD_WORDS,
    "category": PROFILE_RECORD_WORDS,
}


@dataclass(frozen=True, slots=True)
class EngineCounts:
    """What the engine holds and what came too late.

    entities: records by kind; late: transactions older than their account's latest; late_dropped: rings
    that no longer had the hop of a late transaction, counted once an entity; outcomes_late: outcomes
    reported for a time that the label windows of an entity have left.
    """

    entities: dict[str, int]
    late: int
    late_dropped: int
    outcomes_late: int


class FeatureEngine:
    """Histories of accounts, merchants, devices and categories, and the features they yield."""

    def __init__(
        self,
        capacity: int = 1024,
        kinds: Collection[str] = tuple(ENTITIES),
        zone: TimeZone | None = None,
    ) -> None:
        """Starts empty, with room for `capacity` entities of each kind; it grows by itself.

        kinds: those of ENTITIES to keep; features of the others are as for transactions without such an
        entity; zone: in whose hours and days features count, by default Peru's.
        """
        self._offsets = (zone or time_zone()).offsets
        self._tables = [
            table.allocate(words, capacity) if kind in kinds else table.closed(words)
            for kind, words in ENTITIES.items()
        ]
        self._counters = np.zeros(kernel.COUNTERS, dtype=np.int64)
        self._room = capacity

    def process(self, batch: TransactionBatch) -> FeatureMatrix:
        """Returns the features of transactions, float32 [n, len(CATALOGUE)], in order.

        Each row sees the ones before it; a row with COUNTED 0 is seen by none.
        """
        n = len(batch)
        out = np.empty((n, len(CATALOGUE)), dtype=np.float32)
        if n <= _CHUNK:
            self._reserve(n)
            kernel.process(
                batch.keys,
                batch.ints,
                batch.floats,
                self._offsets,
                *self._tables,
                self._counters,
                NO_UNDO,
                out,
            )
            return out
        for start in range(0, n, _CHUNK):
            part = slice(start, start + _CHUNK)
            self._reserve(min(_CHUNK, n - start))
            kernel.process(
                batch.keys[part],
                batch.ints[part],
                batch.floats[part],
                self._offsets,
                *self._tables,
                self._counters,
                NO_UNDO,
                out[part],
            )
        return out

    def report(self, outcomes: OutcomeBatch) -> None:
        """Lets outcomes enter the history; they are seen from the first full hour after their report.

        Those of one transaction are compared with each other, not with what was reported before.
        """
        self.apply(label_changes(outcomes))

    def apply(self, changes: LabelChanges) -> None:
        """Makes changes to the label windows, all of them now."""
        for start in range(0, len(changes.keys), _CHUNK):
            part = slice(start, start + _CHUNK)
            self._reserve(len(changes.keys[part]))
            kernel.report(
                changes.keys[part],
                changes.counted_us[part],
                changes.frauds[part],
                changes.outcomes[part],
                *self._tables,
                self._counters,
                NO_UNDO,
            )

    def replay(
        self,
        batch: TransactionBatch,
        outcomes: OutcomeBatch,
        progress: Callable[[int], None] | None = None,
    ) -> FeatureMatrix:
        """Returns the features that serving would have computed, float32 [n, len(CATALOGUE)].

        batch: in event order; outcomes: in any order, each applied before the first transaction of a later
        hour, the rest at the end; of one transaction a later outcome replaces the earlier; progress: called
        with the number of rows done.
        """
        return self.replay_changes(batch, label_changes(outcomes), latest_hours(batch), progress=progress)

    def replay_changes(
        self,
        batch: TransactionBatch,
        changes: LabelChanges,
        hours: npt.NDArray[np.int64],
        columns: slice | npt.NDArray[np.intp] = slice(None),
        progress: Callable[[int], None] | None = None,
    ) -> FeatureMatrix:
        """Replays transactions, which may be part of a history; returns some columns of their features.

        hours: int64 [n], `latest_hours` of the whole history; columns: of the catalogue; the rest as for
        `replay`. Returns float32 [n, columns].
        """
        blocks = self.replay_blocks(batch, changes, hours, max(len(batch), 1), columns, progress)
        whole: FeatureMatrix = np.empty((0, np.arange(len(CATALOGUE))[columns].size), dtype=np.float32)
        for block in blocks:  # of one, but what comes behind it has to be done too
            whole = block
        return whole

    def replay_blocks(
        self,
        batch: TransactionBatch,
        changes: LabelChanges,
        hours: npt.NDArray[np.int64],
        block_rows: int,
        columns: slice | npt.NDArray[np.intp] = slice(None),
        progress: Callable[[int], None] | None = None,
    ) -> Iterator[FeatureMatrix]:
        """Yields what `replay_changes` returns in blocks of so many rows, the last one with what is left.

        The changes that come after the last transaction are made when all blocks have been taken.
        """
        n, width = len(batch), np.arange(len(CATALOGUE))[columns].size
        of_hours = np.flatnonzero(np.diff(hours, prepend=hours[0] - 1)) if n else np.empty(0, np.intp)
        starts = np.union1d(of_hours, np.arange(0, n, block_rows))
        known_until = np.searchsorted(changes.known_us // _HOUR_US, hours[starts], side="left")
        known, filled = 0, 0
        for start, end, until in zip(starts, [*starts[1:], n], known_until, strict=False):
            if until > known:
                self.apply(changes.rows(slice(known, until)))
                known = until
            if not filled:
                block = np.empty((min(block_rows, n - start), width), dtype=np.float32)
            block[filled : filled + end - start] = self.process(batch.rows(slice(start, end)))[:, columns]
            filled += end - start
            if progress is not None:
                progress(int(end))
            if filled == len(block):
                yield block
                filled = 0
        self.apply(changes.rows(slice(known, None)))

    @property
    def counts(self) -> EngineCounts:
        """What the engine holds and what came too late."""
        entities = {
            name: int(memory[table.P_USED]) for name, memory in zip(ENTITIES, self._tables, strict=True)
        }
        late, dropped, outcomes_late = (int(value) for value in self._counters)
        return EngineCounts(entities, late, dropped, outcomes_late)

    def _reserve(self, rows: int) -> None:
        # Counting the room here, and looking at the tables only when it may be used up, saves a lone
        # transaction a microsecond.
        self._room -= rows
        if self._room < 0:
            self._tables = [adding.reserve(memory, rows) for memory in self._tables]
            opened = [memory for memory in self._tables if not table.is_closed(memory)]
            self._room = min(int(m[table.P_CAPACITY] - m[table.P_USED]) for m in opened) - rows


def latest_hours(batch: TransactionBatch) -> npt.NDArray[np.int64]:
    """Returns the latest hour of event time up to each transaction, int64 [n]; earlier reports are known."""
    return np.maximum.accumulate(batch.ints[:, IntColumn.EVENT_TIME_US] // _HOUR_US)


class FeatureSelection:
    """The features of one model: which columns of the engine's output, which attributes.

    names: features of the catalogue and `attribute.NAME`s, in the order of the model's input. Raises
    KeyError with the first name that is neither.
    """

    def __init__(self, names: Sequence[str]) -> None:
        index = feature_index()
        self.names = tuple(names)
        self._columns = np.array(
            [-1 if name.startswith(ATTRIBUTE_PREFIX) else index[name] for name in names], dtype=np.intp
        )
        self._attributes = [
            (place, name.removeprefix(ATTRIBUTE_PREFIX))
            for place, name in enumerate(names)
            if name.startswith(ATTRIBUTE_PREFIX)
        ]
        self._whole = np.array_equal(self._columns, np.arange(len(CATALOGUE)))

    def take(self, matrix: FeatureMatrix, attributes: dict[str, npt.NDArray[np.float64]]) -> FeatureMatrix:
        """Returns the model's input, float32 [n, len(names)], C order; NaN where an attribute is missing."""
        if self._whole:
            return matrix
        chosen = matrix.take(self._columns, axis=1)
        for place, name in self._attributes:
            values = attributes.get(name)
            chosen[:, place] = np.nan if values is None else values
        return chosen
