"""A history behind a journal, asked as a server asks it; and what the journal makes of it anew."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta

import numpy as np

from kuntur.api.v1 import outcome_pb2, outcome_service_pb2, score_pb2, scoring_service_pb2, transaction_pb2
from kuntur.features import FeatureMatrix
from kuntur.features.engine import ENTITIES
from kuntur.hash_key import DEFAULT_HASH_KEY, secret_from_hex
from kuntur.history.serving import C_CHECKS, C_REPEATED
from kuntur.journal import entries
from kuntur.journal.entries import RequestKind
from kuntur.journal.v1 import journal_pb2
from kuntur.transaction import OutcomeBatch
from kuntur.wire import Reading, TransactionReader
from server.access.caller import ANYONE
from server.journal import Journal
from server.rpc.endpoints.answering import Answering, Entered
from server.rpc.endpoints.intake import refused_places
from server.rpc.errors import ErrorTable
from server.state import HistorySizes, Region, RegionHistory
from server.state.rebuild import catching_up
from server.state.replay import ANY_TIME_US, Replay
from tests.support.serving import EVENT_TIME, transaction

READER = TransactionReader(secret_from_hex(DEFAULT_HASH_KEY))
SMALL = HistorySizes(
    accounts=4, merchants=3, devices=3, categories=2, recent_transactions=8, held_corrections=2
)
"""So small that records are evicted, transactions forgotten, and corrections made before their time."""
CROWDED = HistorySizes(
    accounts=4, merchants=3, devices=3, categories=2, recent_transactions=256, held_corrections=2
)
"""The same, but no transaction is forgotten."""
ROOMY = HistorySizes(
    accounts=64, merchants=64, devices=64, categories=64, recent_transactions=256, held_corrections=64
)


def numbered(number: int, *, other: bool = False, bad: bool = False) -> transaction_pb2.Transaction:
    """Returns a transaction by its number; other: another one with its id; bad: one that is refused."""
    return transaction(
        f"t-{number}",
        event_time=EVENT_TIME + timedelta(minutes=number * 97 % 4000),
        account_id="" if bad else f"a-{number % 5}",
        merchant_id=f"m-{number % 4}",
        merchant_category_code=f"{5000 + number % 3}",
        device_id=f"d-{number % 6}",
        amount_minor=100 + 10 * number + other,
    )


def outcome(number: int, hours: int, *, fraud: bool) -> outcome_pb2.Outcome:
    """Returns what a transaction turned out to be, reported so many hours after the first of all."""
    label = outcome_pb2.OUTCOME_LABEL_FRAUD if fraud else outcome_pb2.OUTCOME_LABEL_LEGITIMATE
    return outcome_pb2.Outcome(
        transaction_id=f"t-{number}", label=label, reported_time=EVENT_TIME + timedelta(hours=hours)
    )


def read(*requests: bytes) -> Reading:
    """Reads requests as one."""
    return READER.read_request(b"".join(requests), ANY_TIME_US)


def report_of(outcomes: Iterable[outcome_pb2.Outcome]) -> tuple[bytes, OutcomeBatch]:
    """Returns a serialised report, and its outcomes."""
    raw = outcome_service_pb2.ReportOutcomesRequest(outcomes=outcomes).SerializeToString()
    return raw, READER.read_report(raw, ())


class Journaled:
    """A region with a journal: requests enter, and are answered when a test says so."""

    def __init__(self, region: Region, journal: Journal, *, begins: bool = True) -> None:
        """begins: whether the journal has nothing of what the region contains."""
        self.region, self.journal = region, journal
        if begins:
            region.history.begin_journal(journal.buffer.journal, journal.buffer.next_sequence - 1)
        self.store = RegionHistory(region, journal)
        self.store.catch_up = catching_up(region, journal, READER)
        self._answering = Answering(self.store, journal, ErrorTable(1.0))
        self.pending: list[Entered] = []
        self.first: dict[str, bytes] = {}
        """The first answer to each transaction, by its id."""

    def ask(self, kind: RequestKind, requests: Sequence[bytes]) -> Entered | None:
        """Lets transactions enter that are to be scored, if one is good; they wait for their answer."""
        reading = read(*requests)
        if len(reading.batch) == 0:
            return None
        entered = self._answering.enter(kind, requests, [ANYONE] * len(requests), reading)
        self.pending.append(entered)
        return entered

    def answer(self, number: int, unscored: Iterable[int] = ()) -> list[score_pb2.Score]:
        """Answers one of those that wait; unscored: places for which the model has no valid score."""
        entered = self.pending.pop(number % len(self.pending))
        without = sorted(set(unscored) & set(entered.reading.places.tolist()))
        given = self._answering.give(entered, _responses(entered, without), without)
        scores = [score for raw in given.responses for score in _scores(entered.kind, raw)]
        for score in scores:
            score.replayed, replayed = False, score.replayed
            raw = score.SerializeToString(deterministic=True)
            if replayed:
                assert raw == self.first.setdefault(score.transaction_id, raw)
            self.first[score.transaction_id] = raw
            score.replayed = replayed
        return scores

    def backfill(self, request: bytes) -> None:
        """Lets past transactions enter."""
        reading = read(request)
        entry = entries.admission(RequestKind.BACKFILL, [request], refused_places(reading))
        self.store.admit(reading.batch, reading.places, entry, scored=False)

    def report(self, outcomes: Iterable[outcome_pb2.Outcome]) -> None:
        """Lets outcomes enter, and writes down what was answered."""
        raw, batch = report_of(outcomes)
        reported = self.store.admit_outcomes(batch, entries.admission(RequestKind.REPORT_OUTCOMES, [raw]))
        if reported.sequence:
            told = entries.answer(RequestKind.REPORT_OUTCOMES, reported.sequence, [b""])
            self.store.answer(np.empty((0, 1), np.uint64), np.empty((0, 2), np.int64), told, None)

    def written(self) -> list[journal_pb2.Entry]:
        """Returns all entries."""
        found = [self.journal.find(number) for number in range(1, self.journal.buffer.next_sequence)]
        return [entry for entry in found if entry is not None]


def replayed(
    region: Region,
    journal: int,
    written: Iterable[journal_pb2.Entry],
    find: Callable[[int], journal_pb2.Entry | None] = lambda _: None,
) -> int:
    """Lets entries of a journal enter a region, and returns how many did."""
    if region.history.journal != journal:
        region.history.begin_journal(journal)
    return Replay(region.history, region.zone.offsets, READER, find, region.mend).enter(written)


def words(region: Region) -> dict[str, bytes]:
    """Returns all that a history is, by the names of its parts.

    Without how often it was looked through, and how many came again: what is answered again makes no entry.
    """
    history = region.history
    counters = history.counters.copy()
    counters[[C_CHECKS, C_REPEATED, len(counters) - 1]] = 0  # and the seal over both
    parts = dict(zip(ENTITIES, history.tables, strict=True))
    parts |= {"recent": history.recent, "held": history.held, "counters": counters, "open": history.open}
    return {name: part.tobytes() for name, part in parts.items()}


def later_features(region: Region) -> FeatureMatrix:
    """Returns the features of transactions that come after all others; the history is another one then."""
    messages = [
        transaction(
            f"later-{number}",
            event_time=EVENT_TIME + timedelta(days=4, minutes=number),
            account_id=f"a-{number % 5}",
            merchant_id=f"m-{number % 4}",
            merchant_category_code=f"{5000 + number % 3}",
            device_id=f"d-{number % 6}",
        )
        for number in range(6)
    ]
    raw = scoring_service_pb2.ScoreStreamRequest(transactions=messages).SerializeToString()
    return RegionHistory(region).score_features(read(raw).batch)


def _responses(entered: Entered, unscored: Sequence[int]) -> list[bytes]:
    """Answers as a model would: by the features alone."""
    reading, scores = entered.reading, {}
    for row, place in enumerate(reading.places.tolist()):
        if place not in unscored:
            probability = zlib.crc32(entered.admitted.features[row].tobytes()) / 2**32
            scores[place] = score_pb2.Score(transaction_id=reading.ids[place], fraud_probability=probability)
    if entered.kind == RequestKind.SCORE_TRANSACTION:
        return [
            scoring_service_pb2.ScoreTransactionResponse(score=scores[place]).SerializeToString()
            if place in scores
            else b""
            for place in range(len(entered.requests))
        ]
    responses, place = [], 0
    for raw in entered.requests:
        response = scoring_service_pb2.ScoreStreamResponse()
        for _ in scoring_service_pb2.ScoreStreamRequest.FromString(raw).transactions:
            result = response.results.add()
            if place in scores:
                result.score.CopyFrom(scores[place])
            else:
                result.status.code = 3
            place += 1
        responses.append(response.SerializeToString())
    return responses


def _scores(kind: RequestKind, response: bytes) -> list[score_pb2.Score]:
    if kind == RequestKind.SCORE_TRANSACTION:
        answer = scoring_service_pb2.ScoreTransactionResponse.FromString(response)
        return [answer.score] if response else []
    results = scoring_service_pb2.ScoreStreamResponse.FromString(response).results
    return [result.score for result in results if result.HasField("score")]
