"""Brings admissions and the answers about them together, in the order in which the history changed.

An answer comes behind its admission, with others between: until then the admission, and all that entered
the history behind it, wait here. Where much waits, a look ahead finds the admissions that have no answer at
all, as a process leaves them that dies, so that nothing waits for those.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from google.protobuf.message import DecodeError

from kuntur.journal.entries import entry_ns
from kuntur.journal.errors import CorruptJournalError, JournalError
from kuntur.journal.exchanges.messages import KINDS, item_count, refused_places
from kuntur.journal.reading import Loss, read_entries
from kuntur.journal.sealing import KeyRing
from kuntur.journal.v1 import journal_pb2
from kuntur.journal.workers import read_server_journal

_MOST_WAITING_BYTES = 32 << 20
_OVERHEAD_BYTES = 1 << 10  # of one that waits, besides its requests


class Exchange(NamedTuple):
    """A request that changed the history, or was to, and what was answered.

    kind: a RequestKind of the journal; response: b"" where the call ended with
    MODEL_VALUE_INVALID, None where no answer is in the journal: of a backfill, or of a server that died;
    refused: places of the transactions or outcomes that did not enter the history, in this request from 0;
    caller: "" where callers were not asked who they are; sequence, place: the entry that says it entered, and
    which of its requests it is; answer: sequence of the entry with the response, 0 for none.
    """

    kind: int
    request: bytes
    response: bytes | None
    refused: tuple[int, ...]
    caller: str
    written_time_ns: int
    sequence: int
    place: int
    answer: int


def read_exchanges(
    directory: Path,
    *,
    first: int = 1,
    allow_torn_tail: bool = False,
    lost: Callable[[Loss], None] = lambda _: None,
    keys: KeyRing | None = None,
) -> Iterator[Exchange]:
    """Yields what was asked and answered, in the order in which the history changed.

    That of earlier versions, in the folders of their workers too, comes first; there the order is that of
    `read_server_journal`. first: sequence of the first entry to look at. Torn tails and losses as in
    `read_entries`; raises as that does, after all that was read.
    """

    def ahead(sequence: int) -> Iterator[journal_pb2.Entry]:
        return read_entries(directory, first=sequence, allow_torn_tail=True, keys=keys)

    waiting = _Waiting(ahead)
    entries = read_server_journal(
        directory, first=first, allow_torn_tail=allow_torn_tail, lost=lost, keys=keys
    )
    failure: JournalError | None = None
    while True:
        try:
            entry = next(entries, None)
        except JournalError as error:
            entry, failure = None, error
        if entry is None:
            break
        what = entry.WhichOneof("exchange")
        if what == "admission":
            waiting.admit(entry)
        elif what == "answer":
            waiting.answer(entry)
        elif what is not None:
            yield _of_earlier_version(directory, entry, what)
        for admission, answer in waiting.closed():
            yield from _exchanges(directory, admission, answer)
    for admission, answer in waiting.all():
        yield from _exchanges(directory, admission, answer)
    if failure is not None:
        raise failure


class _Admitted:
    """An admission, with the answer as soon as it has come; closed: whether nothing more is to come."""

    __slots__ = ("answer", "closed", "entry", "size")

    def __init__(self, entry: journal_pb2.Entry) -> None:
        self.entry = entry
        self.answer: journal_pb2.Entry | None = None
        self.closed = _has_none(entry)
        self.size = _OVERHEAD_BYTES + sum(map(len, entry.admission.requests))


class _Waiting:
    """Admissions that were read and may not be yielded yet, in their order."""

    def __init__(self, ahead: Callable[[int], Iterable[journal_pb2.Entry]]) -> None:
        """Takes what reads the entries from a sequence on, once more."""
        self._ahead = ahead
        self._line: deque[_Admitted] = deque()
        self._open: dict[int, _Admitted] = {}
        self._size = 0
        self._unanswered: set[int] | None = None  # known only when it had to be found out

    def admit(self, entry: journal_pb2.Entry) -> None:
        one = _Admitted(entry)
        self._line.append(one)
        self._size += one.size
        if self._unanswered is not None and entry.sequence in self._unanswered:
            one.closed = True
        if not one.closed:
            self._open[entry.sequence] = one
        if self._size > _MOST_WAITING_BYTES and self._unanswered is None:
            self._look_ahead(entry.sequence + 1)

    def answer(self, entry: journal_pb2.Entry) -> None:
        one = self._open.pop(entry.answer.admission, None)
        if one is not None:  # else it was said twice, or its admission is no longer in the journal
            one.answer, one.closed = entry, True
            size = sum(map(len, entry.answer.responses))
            one.size += size
            self._size += size

    def closed(self) -> Iterator[tuple[journal_pb2.Entry, journal_pb2.Entry | None]]:
        """Takes those out, from the front, for which nothing more is to come."""
        while self._line and self._line[0].closed:
            one = self._line.popleft()
            self._size -= one.size
            yield one.entry, one.answer

    def all(self) -> Iterator[tuple[journal_pb2.Entry, journal_pb2.Entry | None]]:
        for one in self._line:
            yield one.entry, one.answer

    def _look_ahead(self, sequence: int) -> None:
        """Finds out which admissions have no answer, of those that wait and of all that are to come."""
        self._unanswered = set(self._open)
        with suppress(JournalError, OSError):  # who reads on comes to it too
            for entry in self._ahead(sequence):
                what = entry.WhichOneof("exchange")
                if what == "answer":
                    self._unanswered.discard(entry.answer.admission)
                elif what == "admission" and not _has_none(entry):
                    self._unanswered.add(entry.sequence)
        for number in self._unanswered & self._open.keys():
            self._open.pop(number).closed = True


def _has_none(entry: journal_pb2.Entry) -> bool:
    """Tells whether an admission is one that never has an answer."""
    return entry.admission.kind == journal_pb2.REQUEST_KIND_BACKFILL


def _exchanges(
    directory: Path, entry: journal_pb2.Entry, answer: journal_pb2.Entry | None
) -> Iterator[Exchange]:
    admission = entry.admission
    with _read_as_messages(directory, entry):
        refused = _divided(admission)
    requests, callers = admission.requests, admission.callers
    responses = None if answer is None else answer.answer.responses
    count = len(requests)
    if (callers and len(callers) != count) or (responses is not None and len(responses) != count):
        message = f"entry {entry.sequence:,} and the answer to it do not go together"
        raise CorruptJournalError(directory, 0, f"{message}: their requests, callers and responses differ")
    time_ns, sequence = entry_ns(entry), entry.sequence
    kind, answered = admission.kind, 0 if answer is None else answer.sequence
    for place, request in enumerate(requests):
        yield Exchange(
            kind,
            request,
            None if responses is None else responses[place],
            refused[place],
            callers[place] if callers else "",
            time_ns,
            sequence,
            place,
            answered,
        )


@contextmanager
def _read_as_messages(directory: Path, entry: journal_pb2.Entry) -> Iterator[None]:
    """Turns bytes in an entry that are no message of its kind into CorruptJournalError."""
    try:
        yield
    except DecodeError as error:
        what = f"entry {entry.sequence:,} has a request or a response that is no message of its kind"
        raise CorruptJournalError(directory, 0, what) from error


def _divided(admission: journal_pb2.Admission) -> list[tuple[int, ...]]:
    """Returns the refused places of each request, which the admission counts through all of them."""
    requests = admission.requests
    if not admission.refused or len(requests) == 1:
        return [tuple(admission.refused)] * len(requests)
    divided, start = [], 0
    for request in requests:
        end = start + item_count(admission.kind, request)
        divided.append(tuple(place - start for place in admission.refused if start <= place < end))
        start = end
    return divided


def _of_earlier_version(directory: Path, entry: journal_pb2.Entry, field: str) -> Exchange:
    said: journal_pb2.Exchange = getattr(entry, field)
    kind, time_ns = KINDS[field], entry_ns(entry)
    with _read_as_messages(directory, entry):
        refused = refused_places(kind, said.response)
    return Exchange(
        kind, said.request, said.response, refused, "", time_ns, entry.sequence, 0, entry.sequence
    )
