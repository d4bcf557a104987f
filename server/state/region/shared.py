"""The history in a region: one process or several, in memory or in a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import numpy.typing as npt
import structlog

from kuntur.features import CATALOGUE, FeatureMatrix
from kuntur.history import OutcomeStatus
from kuntur.transaction import IntColumn, OutcomeBatch, TransactionBatch
from server.host.lost_history import end_without_history
from server.state.history import HistoryCounts, HistoryStore
from server.state.region.layout import RegionError
from server.state.region.mutex import LockDamagedError
from server.state.region.region import Region

_LOG = structlog.get_logger(__name__)
_TRIES = 8  # once more after each mending
_LOCK_LOST = "the lock of the history is damaged, or its holder no longer runs"
_NOT_MENDED = "the history is damaged and could not be mended: restart the server"


class RegionHistory(HistoryStore):
    """A `HistoryStore` over a region, which other processes may use at the same time."""

    def __init__(self, region: Region) -> None:
        self._region = region
        self._mutex = region.mutex
        self._offsets = region.zone.offsets
        self._history = region.history
        self._damaged_told = self._history.damaged

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
        statuses = np.full(len(outcomes), OutcomeStatus.UNKNOWN, dtype=np.int8)
        self._lock()
        try:
            first = 0
            for _ in range(_TRIES):
                done = self._history.take_outcomes(outcomes, statuses, first)
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
        """Returns what the store holds, and what it has received."""
        history = self._history
        self._lock()
        try:
            if not history.are_headers_usable():
                self._mend()
            return HistoryCounts(
                entities=history.records_in_use(),
                evicted=history.evicted(),
                recent_transactions=history.transactions_known(),
                damaged=history.damaged,
                checks=history.times_checked(),
                **history.counted(),
            )
        finally:
            self._mutex.release()

    def _take(self, batch: TransactionBatch, out: FeatureMatrix) -> int:
        self._lock()
        try:
            repeated = self._history.take_transactions(batch, self._offsets, out)
            if repeated < 0:
                repeated = self._take_mending(batch, out, -1 - repeated)
        finally:
            self._mutex.release()
        self._tell_damage()
        return int(repeated)

    def _take_mending(self, batch: TransactionBatch, out: FeatureMatrix, first: int) -> int:
        """Mends the region and counts the rest of a batch, again if need be; first: where damage was met."""
        for _ in range(_TRIES):
            self._mend()
            repeated = self._history.take_transactions(batch, self._offsets, out, first)
            if repeated >= 0:
                return int(repeated + np.count_nonzero(batch.ints[:first, IntColumn.COUNTED] == 0))
            first += -1 - repeated
        raise RegionError(_NOT_MENDED)

    def checks(self, records: int) -> Iterator[Callable[[], None]]:
        """Yields the steps in which the whole history is checked once, each of so many records.

        What is damaged is mended and logged. To be called for each region that is shared.
        """
        for holds in self._history.checks(records):
            yield partial(self._check, holds)
        yield self._checked

    def _check(self, holds: Callable[[], bool]) -> None:
        self._lock()
        try:
            self._mutex.check()
            self._region.check_header()
            if not (self._history.are_headers_usable() and holds()):
                self._mend()
        finally:
            self._mutex.release()

    def _checked(self) -> None:
        self._lock()
        try:
            if not self._history.are_headers_usable():  # else the damage would be sealed
                self._mend()
            self._history.count_check()
        finally:
            self._mutex.release()

    def _mend(self) -> None:
        self._region.mend()
        self._damaged_told = self._history.damaged  # mending has logged what it found

    def _tell_damage(self) -> None:
        """Logs that records were found damaged since the last time, by any process that shares the region."""
        damaged = self._history.damaged
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
