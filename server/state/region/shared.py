"""The history in a region: one process or several, in memory or in a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
import structlog

from kuntur.features import CATALOGUE, FeatureMatrix
from kuntur.history import OutcomeStatus
from kuntur.history.answers import PLACE, SLOT
from kuntur.history.memory import NO_JOURNAL
from kuntur.history.serving import ANSWERED, BEHIND, SETTLED
from kuntur.transaction import IntColumn, KeyColumn, OutcomeBatch, TransactionBatch
from server.errors import JournalUnavailableError
from server.host.lost_history import end_without_history
from server.journal.journal import Journal
from server.state.history import Admitted, Earlier, HistoryCounts, HistoryStore, Reported
from server.state.region.first import FirstAnswers
from server.state.region.layout import RegionError
from server.state.region.mutex import LockDamagedError
from server.state.region.region import Region

_LOG = structlog.get_logger(__name__)
_TRIES = 8  # once more after each mending
Memory = npt.NDArray[np.int64]
_LOCK_LOST = "the lock of the history is damaged, or its holder no longer runs"
_NOT_MENDED = "the history is damaged and could not be mended: restart the server"


def _nothing() -> None:
    """There is no journal that the history could lack entries of."""


class RegionHistory(HistoryStore):
    """A `HistoryStore` over a region, which other processes may use at the same time."""

    def __init__(self, region: Region, journal: Journal | None = None) -> None:
        """Takes the region, and the journal that entries are written to."""
        self._region = region
        self._journal = journal
        self._mutex = region.mutex
        self._offsets = region.zone.offsets
        self._history = region.history
        self._damaged_told = self._history.damaged
        self.catch_up: Callable[[], None] = _nothing
        """Lets entries of the journal enter that the history lacks, while the lock is held."""

    def admit(
        self, batch: TransactionBatch, places: npt.NDArray[np.int64], entry: bytes, *, scored: bool
    ) -> Admitted:
        """Writes an entry of the journal, and counts its transactions."""
        count = len(batch)
        out = np.empty((count, len(CATALOGUE)), dtype=np.float32)
        trail = np.empty((count, 2), dtype=np.int64)
        trail[:, PLACE] = places
        history = self._history
        if count == 0:
            return Admitted(out, trail, 0, 0)
        self._lock()
        try:
            words = self._placed(entry)
            known = history.take_transactions(
                batch, self._offsets, out, trail, words, scored=scored, entries=bool(entry)
            )
            if known < 0 and known != SETTLED:
                known = self._take_mending(batch, out, trail, words, known, scored, bool(entry))
            sequence = history.contains[0] if entry else 0
        finally:
            self._mutex.release()
        self._tell_damage()
        if known == SETTLED:
            batch.ints[:, IntColumn.COUNTED] = 0
            return Admitted(out, trail, 0, count)
        return Admitted(out, trail, sequence, known)

    def answer(
        self,
        keys: npt.NDArray[np.uint64],
        trail: npt.NDArray[np.int64],
        entry: bytes,
        admitted: Admitted | None,  # noqa: ARG002 (a store elsewhere wants it)
    ) -> int | None:
        """Writes an entry of the journal, and remembers that transactions were answered with it."""
        self._lock()
        try:
            words = self._placed(entry, entering=False)
            for _ in range(_TRIES):
                done = self._history.take_answers(keys, trail, words)
                if done == 0:
                    return self._history.contains[0]
                if done == ANSWERED:
                    return None
                self._put_right(done)
            raise RegionError(_NOT_MENDED)
        finally:
            self._mutex.release()

    def earlier(
        self,
        admitted: Admitted,
        keys: npt.NDArray[np.uint64],
        rows: Sequence[int],
    ) -> list[Earlier]:
        """Returns what is known of some transactions of an admission."""
        slots, names = admitted.trail[:, SLOT].tolist(), keys[:, KeyColumn.TRANSACTION].tolist()
        self._lock()
        try:
            found = [self._history.known_at(slots[row], names[row]) for row in rows]
        finally:
            self._mutex.release()
        first = FirstAnswers(self._journal.find if self._journal is not None else lambda _: None)
        return [
            first.earlier(known, admitted.sequence, partial(self._open_features, slots[row], names[row]))
            for row, known in zip(rows, found, strict=True)
        ]

    def _open_features(self, slot: int, key: int) -> npt.NDArray[np.float32] | None:
        """Returns the features that a transaction had when it entered; None where they are forgotten."""
        history = self._history
        self._lock()
        try:
            known = history.known_at(slot, key)  # one whose answer is gone has them, too
            return history.open_features(slot) if known.admission or known.answer else None
        finally:
            self._mutex.release()

    def admit_outcomes(self, outcomes: OutcomeBatch, entry: bytes) -> Reported:
        """Writes an entry of the journal, and lets its outcomes enter."""
        statuses = np.full(len(outcomes), OutcomeStatus.UNKNOWN, dtype=np.int8)
        if len(outcomes) == 0:
            return Reported(statuses, 0)
        self._lock()
        try:
            words = self._placed(entry)
            first = 0
            for _ in range(_TRIES):
                done = self._history.take_outcomes(
                    outcomes, statuses, words, first=first, entries=bool(entry)
                )
                if done >= 0:
                    break
                first, words = self._go_on(done, first, words)
            else:
                raise RegionError(_NOT_MENDED)
            sequence = self._history.contains[0] if entry else 0
        finally:
            self._mutex.release()
        self._tell_damage()
        return Reported(statuses, sequence)

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

    def _take_mending(
        self,
        batch: TransactionBatch,
        out: FeatureMatrix,
        trail: npt.NDArray[np.int64],
        words: Memory,
        done: int,
        scored: bool,
        entries: int,
    ) -> int:
        """Puts right what is in the way and counts the rest of a batch; done: what the last try returned."""
        first = 0
        for _ in range(_TRIES):
            first, words = self._go_on(done, first, words)
            done = self._history.take_transactions(
                batch, self._offsets, out, trail, words, first=first, scored=scored, entries=entries
            )
            if done == SETTLED:
                return done
            if done >= 0:
                return int(done + np.count_nonzero(batch.ints[:first, IntColumn.COUNTED] == 0))
        raise RegionError(_NOT_MENDED)

    def _go_on(self, done: int, first: int, words: Memory) -> tuple[int, Memory]:
        """Puts right what is in the way; returns the first row to go on with, and what is to be written down.

        done: what a try from `first` on returned.
        """
        written = len(words) == 0 or self._is_written(words)
        self._put_right(done)
        if done == BEHIND:
            return first, words
        return first + -1 - done, NO_JOURNAL if written else words

    def _is_written(self, words: Memory) -> bool:
        """Tells whether the entry that was placed has become one."""
        return int(words[0]) != self._placed_sequence

    def _put_right(self, done: int) -> None:
        if done == BEHIND:
            self.catch_up()
        else:
            self._mend()

    def _placed(self, entry: bytes, *, entering: bool = True) -> Memory:
        """Places an entry in the journal's buffer, and returns what makes it one.

        The lock is held, and may be let go of meanwhile. entering: whether it lets something enter. Raises
        JournalUnavailableError where that finds no room while the journal cannot be written.
        """
        journal = self._journal
        if journal is None or not entry:
            return NO_JOURNAL
        while not journal.place(entry, last_half=not entering):
            self._mutex.release()
            try:
                if entering and journal.unavailable is not None:
                    raise JournalUnavailableError
                journal.wait()
            finally:
                self._lock()
        self._placed_sequence = journal.buffer.next_sequence
        return journal.buffer.next_word

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
        if not died:
            return
        try:
            self._region.recover()
            self.catch_up()
        except BaseException:
            self._mutex.release()
            raise
