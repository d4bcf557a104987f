"""The history in a region: one process or several, in memory or in a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import numpy.typing as npt
import structlog

from kuntur.features import CATALOGUE, FeatureMatrix
from kuntur.features.engine import ENTITIES
from kuntur.features.kernel import C_DAMAGED, C_LATE, C_LATE_DROPPED, C_OUTCOMES_LATE
from kuntur.history import held, recent, scrub, serving
from kuntur.history.recent import OutcomeStatus, room_for_changes
from kuntur.records import table
from kuntur.transaction import IntColumn, KeyColumn, OutcomeBatch, TransactionBatch
from server.host.lost_history import end_without_history
from server.state.history import HistoryCounts, HistoryStore
from server.state.region.layout import RegionError
from server.state.region.mutex import LockDamagedError
from server.state.region.region import Region

_LOG = structlog.get_logger(__name__)
_TRANSACTION = int(KeyColumn.TRANSACTION)


_TRIES = 8  # once more after each mending
_TRANSACTIONS_FOR_A_RECORD = 8  # that are looked at in about the same time
_LOCK_LOST = "the lock of the history is damaged or held by what does not run"
_NOT_MENDED = "the history is damaged and could not be mended: restart the server"


class RegionHistory(HistoryStore):
    """A `HistoryStore` over a region, which other processes may use at the same time."""

    def __init__(self, region: Region) -> None:
        self._region = region
        self._mutex = region.mutex
        self._offsets = region.zone.offsets
        self._parts = (*region.tables, region.recent, region.held, region.counters, region.undo)
        self._counters = memoryview(region.counters.data)  # read with each call, faster than an array is
        self._damaged_told = self._counters[C_DAMAGED]
        changes = room_for_changes(1)
        # Written only under the mutex.
        self._changes = (
            changes.keys,
            changes.known_us,
            changes.counted_us,
            changes.frauds,
            changes.outcomes,
        )

    def score_features(self, batch: TransactionBatch) -> FeatureMatrix:
        """Counts transactions and returns their features."""
        out = np.empty((len(batch), len(CATALOGUE)), dtype=np.float32)
        self._take(batch, out)
        return out

    def backfill(self, batch: TransactionBatch) -> int:
        """Counts transactions; returns how many were known before."""
        return self._take(batch, np.empty((len(batch), len(CATALOGUE)), dtype=np.float32))

    def report(self, outcomes: OutcomeBatch) -> npt.NDArray[np.int8]:
        """Lets outcomes enter the history; returns the status of each."""
        transactions = np.ascontiguousarray(outcomes.keys[:, _TRANSACTION])
        statuses = np.full(len(outcomes), OutcomeStatus.UNKNOWN, dtype=np.int8)
        times, frauds = outcomes.reported_time_us, outcomes.is_fraud
        self._lock()
        try:
            first = 0
            for _ in range(_TRIES):
                left = slice(first, None)
                done = serving.take_outcomes(
                    transactions[left], times[left], frauds[left], statuses[left], *self._parts, self._changes
                )
                if done >= 0:
                    break
                first += -1 - done
                self._mend()
            else:
                raise RegionError(_NOT_MENDED)
        finally:
            self._mutex.release()
        self._tell_damage()
        return statuses

    def counts(self) -> HistoryCounts:
        """Returns what the store holds and what came to it."""
        region = self._region
        self._lock()
        try:
            if not serving.are_usable(*self._parts):
                self._mend()
            used = [int(memory[table.P_USED]) for memory in region.tables]
            evicted = [int(memory[table.P_EVICTED]) for memory in region.tables]
            counters, known = region.counters.tolist(), recent.known(region.recent)
        finally:
            self._mutex.release()
        return HistoryCounts(
            entities=dict(zip(ENTITIES, used, strict=True)),
            evicted=dict(zip(ENTITIES, evicted, strict=True)),
            recent_transactions=known,
            repeated=counters[serving.C_REPEATED],
            late=counters[C_LATE],
            late_dropped=counters[C_LATE_DROPPED],
            outcomes_late=counters[C_OUTCOMES_LATE],
            damaged=counters[C_DAMAGED],
            checks=counters[serving.C_CHECKS],
        )

    def _take(self, batch: TransactionBatch, out: FeatureMatrix) -> int:
        self._lock()
        try:
            repeated = serving.take_transactions(
                batch.keys, batch.ints, batch.floats, self._offsets, *self._parts, self._changes, out
            )
            if repeated < 0:
                repeated = self._take_mending(batch, out, -1 - repeated)
        finally:
            self._mutex.release()
        self._tell_damage()
        return int(repeated)

    def _take_mending(self, batch: TransactionBatch, out: FeatureMatrix, first: int) -> int:
        """Mends the region and counts the rest of a batch, and so on; first: where damage was met."""
        for _ in range(_TRIES):
            self._mend()
            left = slice(first, None)
            rows = batch.keys[left], batch.ints[left], batch.floats[left], self._offsets
            repeated = serving.take_transactions(*rows, *self._parts, self._changes, out[left])
            if repeated >= 0:
                return int(repeated + np.count_nonzero(batch.ints[:first, IntColumn.COUNTED] == 0))
            first += -1 - repeated
        raise RegionError(_NOT_MENDED)

    def checks(self, records: int) -> Iterator[Callable[[], None]]:
        """Yields the steps in which the whole history is looked through once, each of so many records.

        What is damaged is mended and said. To be called for each region that is shared.
        """
        region = self._region
        for memory in region.tables:
            for first in _firsts(partial(_used, memory), records):
                yield partial(self._check, partial(scrub.records_hold, memory, first, records))
        few = records * _TRANSACTIONS_FOR_A_RECORD
        for first in _firsts(partial(recent.known, region.recent), few):
            yield partial(self._check, partial(scrub.transactions_hold, region.recent, first, few))
        yield partial(self._check, partial(held.rows_hold, region.held))
        yield self._checked

    def _check(self, holds: Callable[[npt.NDArray[np.int64]], bool]) -> None:
        region = self._region
        self._lock()
        try:
            self._mutex.check()
            region.check_header()
            if not (serving.are_usable(*self._parts) and holds(region.undo)):
                self._mend()
        finally:
            self._mutex.release()

    def _checked(self) -> None:
        self._lock()
        try:
            if not serving.are_usable(*self._parts):  # else what is wrong would be sealed
                self._mend()
            scrub.count_check(self._region.counters, self._region.undo)
        finally:
            self._mutex.release()

    def _mend(self) -> None:
        self._region.mend()
        self._damaged_told = self._counters[C_DAMAGED]  # it has said what it found

    def _tell_damage(self) -> None:
        """Says that records were found damaged since it was said last, by whoever shares the region."""
        damaged = self._counters[C_DAMAGED]
        told, self._damaged_told = self._damaged_told, damaged
        if damaged > told:  # less when the counters themselves were lost
            _LOG.error(
                "records of the history are damaged: their entities start afresh; check the memory and the "
                "disk of this machine",
                records=damaged - told,
            )

    def _lock(self) -> None:
        try:
            died = self._mutex.acquire()
        except LockDamagedError:
            end_without_history(_LOCK_LOST)
        if died:
            self._region.recover()


def _used(memory: npt.NDArray[np.int64]) -> int:
    return int(memory[table.P_USED])


def _firsts(used: Callable[[], int], step: int) -> Iterator[int]:
    """Yields the first number of each step, while there are records."""
    first = 0
    while first < used():
        yield first
        first += step
