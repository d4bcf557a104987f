"""What every `HistoryStore` must do about first answers. A test module inherits `FirstAnswersContract`."""

from __future__ import annotations

import numpy as np
import pytest

from kuntur.api.v1 import scoring_service_pb2
from kuntur.history.answers import PLACE
from kuntur.journal import entries
from kuntur.journal.entries import RequestKind
from kuntur.transaction import IntColumn, TransactionBatch
from server.state import Admitted, Earlier, HistoryStore
from tests.contract.history_store import counted, transactions

KIND = RequestKind.SCORE_STREAM


def asked(ids: list[int]) -> bytes:
    """Returns the entry of a request for transactions by number."""
    request = scoring_service_pb2.ScoreStreamRequest()
    for number in ids:
        request.transactions.add(transaction_id=f"t-{number}", account_id="a-7")
    return entries.admission(KIND, [request.SerializeToString()])


def told(ids: list[int], version: str, admission: int = 1) -> bytes:
    """Returns the entry of an answer with a score for each transaction."""
    response = scoring_service_pb2.ScoreStreamResponse()
    for number in ids:
        response.results.add().score.MergeFrom(
            scoring_service_pb2.ScoreTransactionResponse(
                score={"transaction_id": f"t-{number}", "model_version": version}
            ).score
        )
    return entries.answer(KIND, admission, [response.SerializeToString()])


def numbered(ids: list[int]) -> TransactionBatch:
    """Returns transactions with contents of their own."""
    batch = transactions(ids)
    batch.ints[:, IntColumn.CONTENT] = ids
    return batch


def admit(store: HistoryStore, ids: list[int]) -> tuple[Admitted, TransactionBatch]:
    """Lets transactions enter to be scored."""
    batch = numbered(ids)
    return store.admit(batch, np.arange(len(ids)), asked(ids), scored=True), batch


def answer(store: HistoryStore, admitted: Admitted, ids: list[int], version: str) -> int | None:
    """Answers all transactions of an admission."""
    entry = told(ids, version, admitted.sequence)
    return store.answer(numbered(ids).keys, admitted.trail, entry, admitted)


def earlier(store: HistoryStore, admitted: Admitted, batch: TransactionBatch) -> list[Earlier]:
    """Returns what is known of all transactions of an admission."""
    return store.earlier(admitted, batch.keys, range(len(batch)))


def version_of(score: bytes | None) -> str:
    """Returns the version of the model in a score."""
    response = scoring_service_pb2.ScoreTransactionResponse()
    response.score.MergeFromString(score or b"")
    return response.score.model_version


class FirstAnswersContract:
    """The contract; `store` starts empty and writes into a journal."""

    @pytest.fixture
    def store(self) -> HistoryStore:
        raise NotImplementedError

    def test_a_new_transaction_is_its_own_twin_until_it_is_answered(self, store: HistoryStore) -> None:
        admitted, batch = admit(store, [1, 2, 1])
        assert (admitted.known, admitted.trail[:, PLACE].tolist()) == (1, [0, 1, 2])
        found = earlier(store, admitted, batch)
        assert [(each.content, each.twin, each.answered) for each in found] == [
            (1, 0, False),
            (2, 1, False),
            (1, 0, False),
        ]

    def test_the_first_answer_stays(self, store: HistoryStore) -> None:
        first, batch = admit(store, [1, 2])
        second, _ = admit(store, [2, 3])
        assert answer(store, first, [1, 2], "first") is not None
        assert answer(store, second, [2, 3], "second") is None
        found = earlier(store, second, numbered([2, 3]))
        assert [(each.answered, each.twin, version_of(each.score)) for each in found] == [
            (True, None, "first"),
            (False, 1, ""),
        ]
        assert [version_of(each.score) for each in earlier(store, first, batch)] == ["first"] * 2

    def test_what_was_asked_first_is_known_before_and_after_the_answer(self, store: HistoryStore) -> None:
        first, _ = admit(store, [4, 5])
        again, batch = admit(store, [5])
        before = earlier(store, again, batch)[0].request()
        assert answer(store, first, [4, 5], "first") is not None
        after = earlier(store, again, batch)[0].request()
        assert before == after
        assert b"t-5" in (after or b"")

    def test_who_answers_later_has_the_features_that_a_transaction_entered_with(
        self, store: HistoryStore
    ) -> None:
        first, _ = admit(store, [1, 2])
        admit(store, [3])
        again, batch = admit(store, [2, 4, 1])
        found = earlier(store, again, batch)
        assert [each.twin for each in found] == [None, 1, None]
        for row, place in ((0, 1), (2, 0)):
            features = found[row].features()
            assert features is not None
            assert features.tobytes() == first.features[place].tobytes()
        assert counted(again.features[1:2]) == [3]

    def test_what_was_only_counted_has_neither_answer_nor_features(self, store: HistoryStore) -> None:
        batch = numbered([1])
        store.admit(batch, np.arange(1), asked([1]), scored=False)
        again, batch = admit(store, [1])
        (found,) = earlier(store, again, batch)
        assert (found.content, found.twin, found.answered, found.features()) == (1, None, False, None)
        assert answer(store, again, [1], "first") is not None
        assert version_of(earlier(store, again, batch)[0].score) == "first"
