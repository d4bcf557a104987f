"""The history in a region: one process or several, in memory or in a file."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import structlog

from kuntur.features import CATALOGUE, FeatureMatrix, OutcomeStatus, recent, serving, table
from kuntur.features.engine import ENTITIES
from kuntur.features.kernel import C_DAMAGED, C_LATE, C_LATE_DROPPED, C_OUTCOMES_LATE
from kuntur.features.recent import room_for_changes
from kuntur.transaction import KeyColumn, OutcomeBatch, TransactionBatch
from server.state.history import HistoryCounts, HistoryStore
from server.state.region import Region, RegionError

_LOG = structlog.get_logger(__name__)
_TRANSACTION = int(KeyColumn.TRANSACTION)


_TRIES = 2  # once more after headers were mended
_NOT_MENDED = "the history is damaged and could not be mended: restart the server"


class RegionHistory(HistoryStore):
    """A `HistoryStore` over a region, which other processes may use at the same time."""

    def __init__(self, region: Region) -> None:
        self._region = region
        self._mutex = region.mutex
        self._offsets = region.zone.offsets
        self._parts = (*region.tables, region.recent, region.held, region.counters, region.undo)
        self._damaged_told = int(region.counters[C_DAMAGED])
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
        """Counts transactions and gives their features."""
        out = np.empty((len(batch), len(CATALOGUE)), dtype=np.float32)
        self._take(batch, out)
        return out

    def backfill(self, batch: TransactionBatch) -> int:
        """Counts transactions; gives how many were known before."""
        return self._take(batch, np.empty((len(batch), len(CATALOGUE)), dtype=np.float32))

    def report(self, outcomes: OutcomeBatch) -> npt.NDArray[np.int8]:
        """Lets outcomes enter the history; gives the status of each."""
        transactions = np.ascontiguousarray(outcomes.keys[:, _TRANSACTION])
        statuses = np.full(len(outcomes), OutcomeStatus.UNKNOWN, dtype=np.int8)
        times, frauds = outcomes.reported_time_us, outcomes.is_fraud
        self._lock()
        try:
            for _ in range(_TRIES):
                done = serving.take_outcomes(
                    transactions, times, frauds, statuses, *self._parts, self._changes
                )
                if done != serving.DAMAGED:
                    break
                self._region.mend()
            else:
                raise RegionError(_NOT_MENDED)
        finally:
            self._mutex.release()
        self._tell_damage()
        return statuses

    def counts(self) -> HistoryCounts:
        """Tells what the store holds and what came to it."""
        region = self._region
        self._lock()
        try:
            if not serving.are_usable(*self._parts):
                region.mend()
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
        )

    def _take(self, batch: TransactionBatch, out: FeatureMatrix) -> int:
        self._lock()
        try:
            for _ in range(_TRIES):
                repeated = serving.take_transactions(
                    batch.keys, batch.ints, batch.floats, self._offsets, *self._parts, self._changes, out
                )
                if repeated != serving.DAMAGED:
                    break
                self._region.mend()
            else:
                raise RegionError(_NOT_MENDED)
        finally:
            self._mutex.release()
        self._tell_damage()
        return int(repeated)

    def _tell_damage(self) -> None:
        """Says that records were found damaged since it was said last, by whoever shares the region."""
        damaged = self._region.counters.item(C_DAMAGED)
        if damaged != self._damaged_told:
            self._damaged_told = damaged
            _LOG.error(
                "records of the history are damaged: their entities start afresh; check the memory and the "
                "disk of this machine",
                records=damaged,
            )

    def _lock(self) -> None:
        if self._mutex.acquire():
            self._region.recover()
