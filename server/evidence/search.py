"""Finds all that a journal says of one transaction: its requests, its first answer, its outcomes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf.timestamp_pb2 import Timestamp

from kuntur.journal.entries import RequestKind
from kuntur.journal.reading import Loss
from kuntur.journal.records import first_sequence
from kuntur.journal.sealing import KeyRing
from kuntur.journal.tail import journal_files
from kuntur.journal.v1 import journal_pb2
from kuntur.journal.workers import journal_parts, read_server_journal
from server.evidence import messages
from server.evidence.errors import EvidenceError
from server.evidence.messages import DecodeError, Outcome, Score, Transaction

_SCORED = {RequestKind.SCORE_TRANSACTION.value, RequestKind.SCORE_STREAM.value}
Tell = Callable[[str, int, int], object]
"""Takes what is being done, how much of it is done, and of how much."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A request with the transaction in it.

    sequence, time: of the entry; place: of the transaction among those of the entry, of which there are
    `count`; request: the one that holds it, of those that came together; caller: "" where nobody was asked;
    raw: its bytes, None where they cannot be told apart.
    """

    sequence: int
    time: Timestamp
    kind: RequestKind
    place: int
    count: int
    refused: bool
    caller: str
    request: bytes
    transaction: Transaction
    raw: bytes | None


@dataclass(frozen=True, slots=True)
class Given:
    """An answer. sequence, time, response_bytes: of its entry; admission, place: what it is about."""

    sequence: int
    time: Timestamp
    admission: int
    place: int
    score: Score
    raw: bytes | None
    response_bytes: int


@dataclass(frozen=True, slots=True)
class Reported:
    """An outcome that was reported. refused: whether it did not enter the history."""

    sequence: int
    time: Timestamp
    caller: str
    refused: bool
    outcome: Outcome


@dataclass(slots=True)
class Found:
    """What a journal says of a transaction, in its order.

    answer: the first one; answers: all that are in the journal, by sequence of the admission and place;
    first, last: sequences of the entries that were looked at, last 0 where there were none; others:
    institutions of transactions with the same id; earlier: entries of earlier releases that name it.
    """

    asked: list[Seen] = field(default_factory=list)
    backfilled: list[Seen] = field(default_factory=list)
    outcomes: list[Reported] = field(default_factory=list)
    answer: Given | None = None
    answers: dict[tuple[int, int], Given] = field(default_factory=dict)
    first: int = 1
    last: int = 0
    others: set[str] = field(default_factory=set)
    earlier: list[int] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)

    def entered(self) -> Seen:
        """Returns the request with which it first entered the history to be scored. Raises EvidenceError."""
        for seen in self.asked:
            if not seen.refused:
                return seen
        raise EvidenceError(self._why_not())

    def _why_not(self) -> str:
        if self.asked:
            return (
                f"the transaction was refused each time it came (entry {self.asked[0].sequence:,}), so there "
                "is no decision: what was wrong with it was told to its sender"
            )
        if self.backfilled:
            return (
                f"the transaction came with a backfill alone (entry {self.backfilled[0].sequence:,}) and was "
                "never to be scored, so there is no decision"
            )
        if self.earlier:
            return (
                f"the transaction is in an entry of an earlier release ({self.earlier[0]:,}), which does not "
                "say in which order the history changed: `kuntur-trainer replay` compares its score"
            )
        looked = f"entries {self.first:,} to {self.last:,} were looked at" if self.last else "it is empty"
        if self.others:
            named = ", ".join(map(repr, sorted(self.others)[:5]))
            return f"the journal has no such transaction of this institution, but of {named}: name that one"
        return (
            f"the journal has no such transaction ({looked}): check both ids, as they were sent; what was "
            "answered within the last seconds may not be in the files yet, and retention removes old ones"
        )


def search(
    directory: Path, institution_id: str, transaction_id: str, keys: KeyRing | None, tell: Tell
) -> Found:
    """Reads a whole journal, also beside its server, and returns what it says of a transaction.

    Raises EvidenceError where there is none, JournalError, OSError.
    """
    parts = journal_parts(directory)
    if not parts:
        raise EvidenceError(
            f"{directory}: there is no journal here, no file journal-*.kj: name the server's journal.path"
        )
    total = sum(path.stat().st_size for part in parts for path in part.glob("journal-*.kj"))
    looking = _Looking(institution_id, transaction_id)
    looking.found.first = min(map(first_sequence, journal_files(directory)), default=1)

    def lost(loss: Loss) -> None:
        if loss.entries:
            looking.found.losses.append(loss.told())

    done = 0
    for entry in read_server_journal(directory, allow_torn_tail=True, lost=lost, keys=keys):
        done += looking.take(entry)
        tell("looking for the transaction", done, total)
    return looking.found


class _Looking:
    """Takes entries one after the other."""

    def __init__(self, institution_id: str, transaction_id: str) -> None:
        self._institution, self._id = institution_id, transaction_id
        self._bytes = transaction_id.encode()
        self._waiting: dict[int, list[int]] = {}  # places by the admissions that have it
        self.found = Found()

    def take(self, entry: journal_pb2.Entry) -> int:
        """Takes an entry and returns about how many bytes it has. Raises EvidenceError."""
        found = self.found
        try:
            match entry.WhichOneof("exchange"):
                case "admission":
                    found.last = entry.sequence
                    return self._admission(entry, entry.admission)
                case "answer":
                    found.last = entry.sequence
                    return self._answer(entry, entry.answer)
                case None:
                    return 0
                case old:
                    request: bytes = getattr(entry, old).request
                    if self._bytes in request and old != "report_outcomes":
                        self._earlier(entry.sequence, request)
                    return len(request)
        except DecodeError as error:
            raise EvidenceError(
                f"entry {entry.sequence:,} holds a message that cannot be read: check the journal with "
                "`kuntur-server journal repair --check`"
            ) from error

    def _admission(self, entry: journal_pb2.Entry, admission: journal_pb2.Admission) -> int:
        requests = admission.requests
        size = sum(map(len, requests))
        if not any(self._bytes in request for request in requests):
            return size
        kind = RequestKind(admission.kind)
        if kind == RequestKind.REPORT_OUTCOMES:
            self._outcomes(entry, admission)
            return size
        held = [messages.transactions([request]) for request in requests]
        count = sum(map(len, held))
        place = -1
        for number, (request, inside) in enumerate(zip(requests, held, strict=True)):
            for transaction in inside:
                place += 1
                if not self._is_it(transaction):
                    continue
                seen = Seen(
                    entry.sequence, entry.written_time, kind, place, count,
                    place in admission.refused, _caller(admission, number), request, transaction,
                    messages.raw_transaction(requests, place),
                )  # fmt: skip
                if kind.value not in _SCORED:
                    self.found.backfilled.append(seen)
                    continue
                self.found.asked.append(seen)
                if not seen.refused:
                    self._waiting.setdefault(entry.sequence, []).append(place)
        return size

    def _answer(self, entry: journal_pb2.Entry, answer: journal_pb2.Answer) -> int:
        size = sum(map(len, answer.responses))
        for place in self._waiting.get(answer.admission, ()):
            score = messages.score_at(answer, place)
            if score is not None:
                raw = messages.raw_score(answer, place)
                given = Given(entry.sequence, entry.written_time, answer.admission, place, score, raw, size)
                self.found.answer = self.found.answer or given
                self.found.answers.setdefault((answer.admission, place), given)
        return size

    def _outcomes(self, entry: journal_pb2.Entry, admission: journal_pb2.Admission) -> None:
        for place, outcome in enumerate(messages.outcomes(admission.requests)):
            if (outcome.institution_id, outcome.transaction_id) == (self._institution, self._id):
                refused = place in admission.refused
                self.found.outcomes.append(
                    Reported(entry.sequence, entry.written_time, _caller(admission, 0), refused, outcome)
                )

    def _earlier(self, sequence: int, request: bytes) -> None:
        if any(map(self._is_it, messages.transactions([request]))):
            self.found.earlier.append(sequence)

    def _is_it(self, transaction: Transaction) -> bool:
        if transaction.transaction_id != self._id:
            return False
        if transaction.institution_id != self._institution:
            self.found.others.add(transaction.institution_id)
            return False
        return True


def _caller(admission: journal_pb2.Admission, request: int) -> str:
    callers: Sequence[str] = admission.callers
    return callers[request] if request < len(callers) else ""
