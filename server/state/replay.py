"""Lets entries of the journal enter a history again, exactly as they did the first time.

What a frame changed depends on the frame and on what was there before: so a history that contains the entries
up to one, and takes those behind it in order, becomes the history that was served.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kuntur.features import CATALOGUE
from kuntur.history import HistoryMemory, OutcomeStatus
from kuntur.history.answers import MOST_PLACES, PLACE, SLOT
from kuntur.history.recent import P_CAPACITY
from kuntur.journal.entries import RequestKind
from kuntur.journal.exchanges.messages import refused_places
from kuntur.journal.v1 import journal_pb2
from kuntur.transaction import KeyColumn, OutcomeBatch, TransactionBatch
from kuntur.wire import MalformedError, Reading, TransactionReader

ANY_TIME_US = 2**62
"""As the latest time of what is read again: it was in time when it came."""
_ROWS = 4096  # that enter together
_TOLD_EVERY_S = 5.0
_LOOKED_EVERY_S = 0.1
_SCORED = {RequestKind.SCORE_TRANSACTION.value, RequestKind.SCORE_STREAM.value}
_MAY_WAIT = 1 << 16  # admissions whose answers may still come
_WHOLE = -1  # as a sequence: places are whole references


class ReplayError(Exception):
    """An entry that cannot enter again: which, and why."""


class Entered(NamedTuple):
    """The transactions of an admission.

    keys: uint64 [n, 1]; places: int64 [n], among those of its requests; trail: int64 [n, 2], of
    `kuntur.history.answers`, with the slots as soon as they entered.
    """

    keys: npt.NDArray[np.uint64]
    places: npt.NDArray[np.int64]
    trail: npt.NDArray[np.int64]


class Answered(NamedTuple):
    """What got its answer with an entry of this sequence; kept: which of the transactions, bool [n]."""

    entered: Entered
    kept: npt.NDArray[np.bool_]
    sequence: int


class Progress(NamedTuple):
    """How far a replay is.

    entries: entered so far; last: sequence of the last one; seconds: since it began.
    """

    entries: int
    last: int
    seconds: float


class Replay:
    """Lets entries enter one history, which nobody else uses meanwhile."""

    def __init__(
        self,
        history: HistoryMemory,
        offsets: npt.NDArray[np.int64],
        reader: TransactionReader,
        find: Callable[[int], journal_pb2.Entry | None],
        mend: Callable[[], None],
    ) -> None:
        """Takes the history and its time zone, what reads requests, finds entries, and mends the history."""
        self._history, self._offsets = history, offsets
        self._reader, self._find, self._mend = reader, find, mend
        self._open: dict[int, Entered] = {}
        self._batches: list[TransactionBatch] = []
        self._trails: list[npt.NDArray[np.int64]] = []
        # No transaction is forgotten between two that enter together, so that answers may come behind them.
        self._most_rows = min(_ROWS, int(history.recent[P_CAPACITY]))
        self._rows = 0
        self._entered_rows = 0  # of the first entries, which entered before a process died
        self._first = 0  # sequence of the first entry of `_batches`
        self._scored = True
        self._answered: list[Answered] = []
        self._last = 0
        self._journal = history.journal

    def enter(
        self,
        entries: Iterable[journal_pb2.Entry],
        tell: Callable[[Progress], None] = lambda _: None,
        look: Callable[[], None] = lambda: None,
    ) -> int:
        """Lets entries enter that follow those which the history contains, and returns how many those were.

        tell: called now and then with the progress; look: called several times a second, and may end it by
        raising. Raises ReplayError.
        """
        began = told = looked = time.monotonic()
        count = 0
        done, self._entered_rows = self._history.contains
        for entry in entries:
            if (now := time.monotonic()) - looked >= _LOOKED_EVERY_S:
                looked = now
                look()
            kind = entry.WhichOneof("exchange")
            of_now = kind in ("admission", "answer")  # the workers of earlier releases each counted their own
            if kind is None or (of_now and entry.sequence <= done):
                continue
            self._take(entry, kind)
            count += 1
            if of_now:
                self._last = entry.sequence
            if now - told >= _TOLD_EVERY_S:
                told = now
                tell(Progress(count, entry.sequence, now - began))
        self._flush()
        return count

    def _take(self, entry: journal_pb2.Entry, kind: str) -> None:
        if kind == "admission":
            self._admit(entry.sequence, entry.admission)
        elif kind == "answer":
            self._answer(entry.sequence, entry.answer)
        else:
            self._take_exchange(entry, kind)

    def _admit(self, sequence: int, admission: journal_pb2.Admission) -> None:
        kind = RequestKind(admission.kind)
        if kind == RequestKind.REPORT_OUTCOMES:
            self._flush()
            self._report(sequence, b"".join(admission.requests), set(admission.refused))
            return
        batch, places = self._read(sequence, admission.requests, admission.refused)
        scored = kind.value in _SCORED
        entered = _entered(batch, places)
        if scored:
            if len(self._open) >= _MAY_WAIT:  # of processes that died before they answered
                del self._open[next(iter(self._open))]
            self._open[sequence] = entered
        self._add(sequence, batch, entered, scored)

    def _add(self, sequence: int, batch: TransactionBatch, entered: Entered, scored: bool) -> None:
        if scored != self._scored or self._rows + len(batch) > self._most_rows:
            self._flush()
        if not self._batches:
            self._first, self._scored = sequence, scored
        trail = entered.trail
        trail[:, PLACE] = entered.places + (sequence - self._first) * MOST_PLACES
        self._rows += len(batch)
        rows = min(self._entered_rows, len(batch))
        if rows:
            batch, trail = batch.rows(slice(rows, None)), trail[rows:]
            self._entered_rows -= rows
        if len(batch):
            self._batches.append(batch)
            self._trails.append(trail)

    def _answer(self, sequence: int, answer: journal_pb2.Answer) -> None:
        if answer.kind not in _SCORED:
            return
        entered = self._open.pop(answer.admission, None)
        waited = entered is not None
        entered = entered or self._entered(answer.admission)
        if entered is None:
            return
        kept = np.ones(len(entered.places), dtype=np.bool_)
        if answer.unscored:
            kept = ~np.isin(entered.places, np.array(answer.unscored, dtype=np.int64))
        self._answered.append(Answered(entered, kept, sequence))
        if not waited:  # they have to be looked up: before one is forgotten and comes again
            self._flush()

    def _entered(self, sequence: int) -> Entered | None:
        """Returns the transactions of an admission that entered long before."""
        found = self._find(sequence)
        if found is None or found.WhichOneof("exchange") != "admission":
            return None
        admission = found.admission
        batch, places = self._read(sequence, admission.requests, admission.refused)
        return _entered(batch, places)

    def _read(
        self, sequence: int, requests: Iterable[bytes], refused: Iterable[int]
    ) -> tuple[TransactionBatch, npt.NDArray[np.int64]]:
        reading = read_again(self._reader, sequence, requests, refused)
        return reading.batch, reading.places

    def _report(self, sequence: int, raw: bytes, refused: set[int]) -> None:
        try:
            batch = self._reader.read_report(raw, refused)
        except MalformedError as error:
            raise ReplayError(f"entry {sequence:,} holds a report that cannot be read: {error}") from error
        self._outcomes(batch)

    def _outcomes(self, batch: OutcomeBatch) -> None:
        statuses = np.full(len(batch), OutcomeStatus.UNKNOWN, dtype=np.int8)
        first, self._entered_rows = self._entered_rows, 0
        while first < len(batch):
            done = self._history.take_outcomes(batch, statuses, first=first)
            if done >= 0:
                return
            first += -1 - done
            self._mend()

    def _take_exchange(self, entry: journal_pb2.Entry, field: str) -> None:
        """Takes an entry of an earlier release, whose answers are not given again."""
        exchange: journal_pb2.Exchange = getattr(entry, field)
        kind = RequestKind[field.upper()]
        refused = set(refused_places(kind, exchange.response))
        if kind == RequestKind.REPORT_OUTCOMES:
            self._flush()
            self._report(entry.sequence, exchange.request, refused)
            return
        batch, places = self._read(entry.sequence, [exchange.request], refused)
        self._add(entry.sequence, batch, _entered(batch, places), False)

    def _flush(self) -> None:
        """Lets enter what was gathered: transactions first, then what they were answered."""
        history = self._history
        if self._batches:
            batch, trail = _joined(self._batches), np.concatenate(self._trails)
            out = np.empty((len(batch), len(CATALOGUE)), dtype=np.float32)
            first = 0
            while True:
                done = history.take_transactions(
                    batch, self._offsets, out, trail, first=first, scored=self._scored, sequence=self._first,
                    entries=0,
                )  # fmt: skip
                if done >= 0:
                    break
                first += -1 - done
                self._mend()
            ends = np.cumsum([len(each) for each in self._trails])
            for each, found in zip(self._trails, np.split(trail, ends[:-1]), strict=True):
                each[:, SLOT] = found[:, SLOT]
            self._batches, self._trails = [], []
        if self._answered:
            keys = np.concatenate([each.entered.keys[each.kept] for each in self._answered])
            trail = np.concatenate([_answer_trail(each) for each in self._answered])
            if len(keys) and history.take_answers(keys, trail, sequence=_WHOLE, entries=0) < 0:
                self._mend()
                history.take_answers(keys, trail, sequence=_WHOLE, entries=0)
        if self._rows or self._answered:
            self._rows, self._entered_rows, self._answered = 0, 0, []
        if self._last > history.contains[0]:
            history.belongs_to(self._journal, self._last)


def read_again(
    reader: TransactionReader, sequence: int, requests: Iterable[bytes], refused: Iterable[int]
) -> Reading:
    """Reads the requests of an entry as one, without what was refused when they came. Raises ReplayError."""
    try:
        reading = reader.read_request(b"".join(requests), ANY_TIME_US)
    except MalformedError as error:
        raise ReplayError(f"entry {sequence:,} holds a request that cannot be read: {error}") from error
    left_out = set(refused)
    if wrong := sorted(set(reading.violations) - left_out):
        violation = reading.violations[wrong[0]][0]
        raise ReplayError(
            f"entry {sequence:,} holds a transaction that was taken and is refused now: "
            f"{violation.field} {violation.description}; use the release and the settings that took it"
        )
    if not left_out:
        return reading
    kept = np.array([place not in left_out for place in reading.places.tolist()], dtype=np.bool_)
    return reading._replace(batch=reading.batch.rows(kept), places=reading.places[kept])


def _entered(batch: TransactionBatch, places: npt.NDArray[np.int64]) -> Entered:
    keys = batch.keys[:, KeyColumn.TRANSACTION].reshape(-1, 1).copy()
    return Entered(keys, places, np.full((len(batch), 2), -1, dtype=np.int64))


def _answer_trail(answered: Answered) -> npt.NDArray[np.int64]:
    """Returns the trail of what was answered, whose places are whole references."""
    trail = answered.entered.trail[answered.kept].copy()
    trail[:, PLACE] = answered.entered.places[answered.kept] + answered.sequence * MOST_PLACES
    return trail


def _joined(batches: list[TransactionBatch]) -> TransactionBatch:
    """Returns batches as one, without attributes, which are no part of the history."""
    if len(batches) == 1:
        return batches[0]
    return TransactionBatch(
        np.concatenate([each.keys for each in batches]),
        np.concatenate([each.ints for each in batches]),
        np.concatenate([each.floats for each in batches]),
        {},
    )
