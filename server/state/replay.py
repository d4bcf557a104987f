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
from kuntur.journal.entries import RequestKind
from kuntur.journal.exchanges.messages import refused_places
from kuntur.journal.v1 import journal_pb2
from kuntur.transaction import KeyColumn, OutcomeBatch, TransactionBatch
from kuntur.wire import MalformedError, TransactionReader

ANY_TIME_US = 2**62
"""As the latest time of what is read again: it was in time when it came."""
_ROWS = 4096  # that enter together
_TOLD_EVERY_S = 5.0
_SCORED = {RequestKind.SCORE_TRANSACTION.value, RequestKind.SCORE_STREAM.value}
_MAY_WAIT = 1 << 16  # admissions whose answers may still come
_WHOLE = -1  # as a sequence: places are whole references


class ReplayError(Exception):
    """An entry that cannot enter again: which, and why."""


class Entered(NamedTuple):
    """The transactions of an admission: keys, uint64 [n, 1], and their places among those of its requests."""

    keys: npt.NDArray[np.uint64]
    places: npt.NDArray[np.int64]


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
        self._rows = 0
        self._first = 0  # sequence of the first entry of `_batches`
        self._scored = True
        self._answered: list[tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]] = []
        self._last = 0
        self._journal = history.journal

    def enter(
        self, entries: Iterable[journal_pb2.Entry], tell: Callable[[Progress], None] = lambda _: None
    ) -> int:
        """Lets entries enter that follow those which the history contains, and returns how many those were.

        tell: called now and then with the progress. Raises ReplayError.
        """
        began = told = time.monotonic()
        count = 0
        done, rows = self._history.contains
        for entry in entries:
            kind = entry.WhichOneof("exchange")
            of_now = kind in ("admission", "answer")  # the workers of earlier releases each counted their own
            if kind is None or (of_now and entry.sequence <= done):
                continue
            self._take(entry, kind, rows)
            count, rows = count + 1, 0
            if of_now:
                self._last = entry.sequence
            if self._rows >= _ROWS:
                self._flush()
            if (now := time.monotonic()) - told >= _TOLD_EVERY_S:
                told = now
                tell(Progress(count, entry.sequence, now - began))
        self._flush()
        return count

    def _take(self, entry: journal_pb2.Entry, kind: str, rows: int) -> None:
        if kind == "admission":
            self._admit(entry.sequence, entry.admission, rows)
        elif kind == "answer":
            self._answer(entry.sequence, entry.answer)
        else:
            self._take_exchange(entry, kind)

    def _admit(self, sequence: int, admission: journal_pb2.Admission, rows: int) -> None:
        kind = RequestKind(admission.kind)
        if kind == RequestKind.REPORT_OUTCOMES:
            self._flush()
            self._report(sequence, b"".join(admission.requests), set(admission.refused), rows)
            return
        batch, places = self._read(sequence, b"".join(admission.requests), admission.refused)
        scored = kind.value in _SCORED
        if scored:
            if len(self._open) >= _MAY_WAIT:  # of processes that died before they answered
                del self._open[next(iter(self._open))]
            self._open[sequence] = Entered(_keys(batch), places)
        self._add(sequence, batch, places, scored, rows)

    def _add(
        self, sequence: int, batch: TransactionBatch, places: npt.NDArray[np.int64], scored: bool, rows: int
    ) -> None:
        if rows or scored != self._scored:
            self._flush()
        if not self._batches:
            self._first, self._scored = sequence, scored
        trail = np.empty((len(batch), 2), dtype=np.int64)
        trail[:, PLACE] = places + (sequence - self._first) * MOST_PLACES
        if rows:  # they entered before the process that took them died
            batch, trail = batch.rows(slice(rows, None)), trail[rows:]
        if len(batch):
            self._batches.append(batch)
            self._trails.append(trail)
            self._rows += len(batch)

    def _answer(self, sequence: int, answer: journal_pb2.Answer) -> None:
        if answer.kind not in _SCORED:
            return
        entered = self._open.pop(answer.admission, None) or self._entered(answer.admission)
        if entered is None:
            return
        keys, places = entered
        if answer.unscored:
            kept = ~np.isin(places, np.array(answer.unscored, dtype=np.int64))
            keys, places = keys[kept], places[kept]
        trail = np.empty((len(keys), 2), dtype=np.int64)
        trail[:, PLACE], trail[:, SLOT] = places + sequence * MOST_PLACES, -1
        self._answered.append((keys, trail))

    def _entered(self, sequence: int) -> Entered | None:
        """Returns the transactions of an admission that entered long before."""
        found = self._find(sequence)
        if found is None or found.WhichOneof("exchange") != "admission":
            return None
        admission = found.admission
        batch, places = self._read(sequence, b"".join(admission.requests), admission.refused)
        return Entered(_keys(batch), places)

    def _read(
        self, sequence: int, raw: bytes, refused: Iterable[int]
    ) -> tuple[TransactionBatch, npt.NDArray[np.int64]]:
        try:
            reading = self._reader.read_request(raw, ANY_TIME_US)
        except MalformedError as error:
            raise ReplayError(f"entry {sequence:,} holds a request that cannot be read: {error}") from error
        left_out = set(refused)
        if wrong := sorted(set(reading.violations) - left_out):
            violation = reading.violations[wrong[0]][0]
            raise ReplayError(
                f"entry {sequence:,} holds a transaction that was taken and is refused now: "
                f"{violation.field} {violation.description}; use the release and the settings that took it"
            )
        batch, places = reading.batch, reading.places
        if left_out:
            kept = np.array([place not in left_out for place in places.tolist()], dtype=np.bool_)
            batch, places = batch.rows(kept), places[kept]
        return batch, places

    def _report(self, sequence: int, raw: bytes, refused: set[int], rows: int) -> None:
        try:
            batch = self._reader.read_report(raw, refused)
        except MalformedError as error:
            raise ReplayError(f"entry {sequence:,} holds a report that cannot be read: {error}") from error
        self._outcomes(batch, rows)

    def _outcomes(self, batch: OutcomeBatch, rows: int) -> None:
        """Lets outcomes enter, from one on."""
        statuses = np.full(len(batch), OutcomeStatus.UNKNOWN, dtype=np.int8)
        first = rows
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
            self._report(entry.sequence, exchange.request, refused, 0)
            return
        batch, places = self._read(entry.sequence, exchange.request, refused)
        self._add(entry.sequence, batch, places, False, 0)

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
            self._batches, self._trails, self._rows = [], [], 0
        if self._answered:
            keys = np.concatenate([keys for keys, _ in self._answered])
            trail = np.concatenate([trail for _, trail in self._answered])
            if len(keys) and history.take_answers(keys, trail, sequence=_WHOLE, entries=0) < 0:
                self._mend()
                history.take_answers(keys, trail, sequence=_WHOLE, entries=0)
            self._answered = []
        if self._last > history.contains[0]:
            history.belongs_to(self._journal, self._last)


def _keys(batch: TransactionBatch) -> npt.NDArray[np.uint64]:
    return batch.keys[:, KeyColumn.TRANSACTION].reshape(-1, 1).copy()


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
