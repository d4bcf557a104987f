"""Answers each transaction once: one that comes again gets the answer that it got first.

A request is an entry of the journal before its transactions enter the history, and its responses are one
before they leave. Nearly always all transactions are new, and then nothing else happens here. What is known
is known by its id: the same transaction gets its first answer from the journal, or, where the process that
took it died before it answered, one from the features that it had; another one is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from google.rpc import status_pb2

from kuntur.api.v1 import score_pb2, scoring_service_pb2, transaction_pb2
from kuntur.journal import entries
from kuntur.journal.entries import RequestKind
from kuntur.journal.exchanges.messages import transactions_of
from kuntur.transaction import IntColumn
from kuntur.wire import Reading
from server.access import Caller
from server.errors import TransactionConflictError
from server.journal import Journal
from server.rpc.endpoints.intake import identities, refused_places
from server.rpc.errors import ErrorTable
from server.state import Admitted, Earlier, HistoryStore


@dataclass(slots=True)
class Settled:
    """What is to be said of transactions that were known, by place.

    scores: first answers; same: places before them in the same requests, with the same transaction;
    conflicts: errors of other transactions with their ids; gone: places of those whose first answer is gone,
    which get another one each time; latest: sequence of the latest entry with a score.
    """

    scores: dict[int, score_pb2.Score] = field(default_factory=dict)
    same: dict[int, int] = field(default_factory=dict)
    conflicts: dict[int, TransactionConflictError] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)
    latest: int = 0

    @property
    def places(self) -> set[int]:
        """All of those that are not scored."""
        return {*self.scores, *self.same, *self.conflicts}


class Entered(NamedTuple):
    """Requests whose transactions are to be scored.

    kind, requests: what came; reading: of all requests together; admitted: by the history; settled: what is
    known, None where all is new.
    """

    kind: RequestKind
    requests: Sequence[bytes]
    reading: Reading
    admitted: Admitted
    settled: Settled | None


class Given(NamedTuple):
    """Responses that may leave.

    responses: one a request; settled: what they say of known transactions, None where all was new.
    """

    responses: list[bytes]
    settled: Settled | None


class Answering:
    """Lets requests enter the history and gives their answers. Safe for threads."""

    def __init__(self, history: HistoryStore, journal: Journal, table: ErrorTable) -> None:
        self._history, self._journal, self._table = history, journal, table

    def enter(
        self, kind: RequestKind, requests: Sequence[bytes], callers: Sequence[Caller], reading: Reading
    ) -> Entered:
        """Writes requests down and lets their transactions enter, one at least.

        Raises HistoryUnavailableError, JournalUnavailableError.
        """
        refused = refused_places(reading)
        entry = entries.admission(kind, requests, refused, identities(callers))
        admitted = self._history.admit(reading.batch, reading.places, entry, scored=True)
        entered = Entered(kind, requests, reading, admitted, None)
        if not admitted.known:
            return entered
        settled = self._settle(entered)
        if settled.gone and not admitted.sequence:  # another answer leaves: the journal is to have it
            sequence = self._history.answer(reading.batch.keys[:0], admitted.trail[:0], entry, None)
            entered = entered._replace(admitted=admitted._replace(sequence=sequence or 0))
        return entered._replace(settled=settled)

    def give_new(self, entered: Entered, responses: list[bytes]) -> bool:
        """Writes down what requests are answered of which nothing was known and all is scored.

        Returns False, with nothing done, where another call was faster: `give` takes care of that.
        """
        if entered.settled is not None:
            return False
        admitted = entered.admitted
        entry = entries.answer(entered.kind, admitted.sequence, responses, refused_places(entered.reading))
        sequence = self._history.answer(entered.reading.batch.keys, admitted.trail, entry, admitted)
        if sequence is None:
            return False
        self._journal.settle(sequence)
        return True

    def give(self, entered: Entered, responses: list[bytes], unscored: Sequence[int] = ()) -> Given:
        """Writes down what requests are answered, and returns that.

        responses: as if all transactions were new; unscored: places for which the model gave no valid score.
        """
        settled = entered.settled
        while True:
            given = responses
            if settled is not None:
                given = _replaced(entered.kind, responses, settled, self._table)
            sequence = self._write_down(entered, given, settled, unscored)
            if sequence is not None:
                self._journal.settle(max(sequence, settled.latest if settled else 0))
                return Given(given, settled)
            settled = self._settle(entered, settled)  # another call with one of them was faster

    def _write_down(
        self, entered: Entered, responses: list[bytes], settled: Settled | None, unscored: Sequence[int]
    ) -> int | None:
        """Writes responses down; returns the sequence, 0 where nothing is new in them, None as `answer`."""
        reading, trail = entered.reading, entered.admitted.trail
        keys = reading.batch.keys
        left_out = [*unscored]
        if settled is not None:
            left_out += settled.conflicts
            left_out += [place for place, earlier in settled.same.items() if earlier in unscored]
        if left_out or settled is not None:
            without = {*left_out, *((settled.places | settled.gone) if settled is not None else ())}
            kept = rows_of(reading.places, without)
            keys, trail = keys[kept], trail[kept]
        if len(keys) == 0 and not entered.admitted.sequence:
            return 0
        entry = entries.answer(
            entered.kind, entered.admitted.sequence, responses, sorted({*left_out, *refused_places(reading)})
        )
        return self._history.answer(keys, trail, entry, entered.admitted)

    def _settle(self, entered: Entered, before: Settled | None = None) -> Settled:
        """Finds out what is to be said of known transactions, and puts the features of open ones in place."""
        reading, admitted = entered.reading, entered.admitted
        known_rows = (
            np.arange(len(reading.batch))
            if before is not None
            else np.flatnonzero(reading.batch.ints[:, IntColumn.COUNTED] == 0)
        )
        places = reading.places.tolist()
        contents = reading.batch.ints[:, IntColumn.CONTENT].tolist()
        rows = known_rows.tolist()
        settled = Settled()
        found = self._history.earlier(admitted, reading.batch.keys, rows)
        for row, earlier in zip(rows, found, strict=True):
            place = places[row]
            if earlier.twin == place:
                continue  # the new one itself
            if earlier.content != contents[row] and 0 not in (earlier.content, contents[row]):
                fields = _differing(earlier, entered.requests, place)
                if fields is None or fields:
                    settled.conflicts[place] = TransactionConflictError(reading.ids[place], fields or [])
                    continue
            if earlier.score is not None:
                settled.scores[place] = score_pb2.Score.FromString(earlier.score)
                settled.latest = max(settled.latest, earlier.sequence)
            elif earlier.twin is not None:
                settled.same[place] = earlier.twin
            else:
                if earlier.answered:
                    settled.gone.add(place)
                if before is None:
                    self._put_features(entered, row, earlier)
        return settled

    def _put_features(self, entered: Entered, row: int, earlier: Earlier) -> None:
        """Puts the features that a transaction had when it entered into its row."""
        features = earlier.features()
        if features is not None:
            entered.admitted.features[row] = features
        elif not entered.admitted.sequence:  # nothing was counted, and no feature either
            one = entered.reading.batch.rows(slice(row, row + 1))
            entered.admitted.features[row] = self._history.score_features(one)[0]


def _differing(earlier: Earlier, requests: Sequence[bytes], place: int) -> list[str] | None:
    """Returns the fields in which a transaction differs from the first one with its id; None: unknown."""
    raw = earlier.request()
    if raw is None:
        return None
    first = transaction_pb2.Transaction.FromString(raw)
    second = next(islice(transactions_of(requests), place, None))
    return [
        each.name
        for each in transaction_pb2.Transaction.DESCRIPTOR.fields
        if _value(first, each.name) != _value(second, each.name)
    ]


def _score_of(response: bytes) -> score_pb2.Score:
    return scoring_service_pb2.ScoreTransactionResponse.FromString(response).score


def _value(transaction: transaction_pb2.Transaction, name: str) -> object:
    value = getattr(transaction, name)
    if transaction.DESCRIPTOR.fields_by_name[name].has_presence:
        return (transaction.HasField(name), value)
    return dict(value) if isinstance(value, Mapping) else value


def _replaced(kind: RequestKind, responses: list[bytes], settled: Settled, table: ErrorTable) -> list[bytes]:
    """Returns responses with what is to be said of known transactions put in; empty for a refused call."""
    if kind == RequestKind.SCORE_TRANSACTION:
        given = list(responses)
        for place, score in settled.scores.items():
            given[place] = _replayed(score)
        for place, earlier in settled.same.items():
            given[place] = _replayed(_score_of(given[earlier])) if given[earlier] else b""
        for place in settled.conflicts:
            given[place] = b""
        return given
    frames = [scoring_service_pb2.ScoreStreamResponse.FromString(raw) for raw in responses]
    results: dict[int, score_pb2.ScoreResult] = dict(
        enumerate(chain.from_iterable(frame.results for frame in frames))
    )
    for place, score in settled.scores.items():
        results[place].score.CopyFrom(score)
        results[place].score.replayed = True
    for place, earlier in settled.same.items():
        results[place].CopyFrom(results[earlier])
        if results[place].HasField("score"):
            results[place].score.replayed = True
    for place, error in settled.conflicts.items():
        status: status_pb2.Status = table.status(error)
        results[place].status.CopyFrom(status)
    return [frame.SerializeToString() for frame in frames]


def _replayed(score: score_pb2.Score) -> bytes:
    response = scoring_service_pb2.ScoreTransactionResponse(score=score)
    response.score.replayed = True
    return response.SerializeToString()


def rows_of(places: npt.NDArray[np.int64], left_out: set[int]) -> npt.NDArray[np.int64]:
    """Returns the rows whose places are not left out."""
    return np.flatnonzero([place not in left_out for place in places.tolist()])
