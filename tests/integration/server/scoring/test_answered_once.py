"""What comes again gets its first answer, counted once; another transaction with its id is refused."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from kuntur.api.v1 import history_service_pb2, scoring_service_pb2, transaction_pb2
from kuntur.journal.exchanges import read_exchanges
from tests.support.bundles import publish, publish_passing_on
from tests.support.programs.redis import PATIENT, RedisServer, redis_server
from tests.support.serving import RunningServer, failure, frame, running_server, transaction, unary

PREFIXES = itertools.count()


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with redis_server() as started:
        yield started


@pytest.fixture(params=["kept in files", "kept in memory", "kept in Redis"])
def settings(tmp_path: Path, request: pytest.FixtureRequest) -> dict[str, Any]:
    if request.param == "kept in Redis":
        started = request.getfixturevalue("redis")
        kept = {"url": started.url, "key_prefix": f"once-{next(PREFIXES)}:"}
        return {"history": {"store": "redis"}, "redis": kept | PATIENT}
    return {"journal": {"path": tmp_path / "journal" if request.param == "kept in files" else None}}


@pytest.fixture
def server(tmp_path: Path, settings: dict[str, Any]) -> Iterator[RunningServer]:
    publish(tmp_path / "registry", "m-1")
    with running_server(tmp_path / "registry", **settings) as started:
        started.wait_until_live("m-1")
        yield started


def several(count: int, **changes: Any) -> list[transaction_pb2.Transaction]:
    return [transaction(f"t-{n}", amount_minor=100 + n, **changes) for n in range(count)]


def streamed(server: RunningServer, *frames: scoring_service_pb2.ScoreStreamRequest) -> list[Any]:
    answers = server.stubs.scoring.ScoreStream(iter(frames))
    return [result for answer in answers for result in answer.results]


def counted(server: RunningServer) -> float | None:
    return server.app.metrics.registry.get_sample_value("kuntur_transactions_replayed_total")


def known(server: RunningServer) -> int:
    return server.app.history.counts().recent_transactions


def without_mark(score: Any) -> bytes:
    copy = type(score)()
    copy.CopyFrom(score)
    copy.replayed = False
    return bytes(copy.SerializeToString(deterministic=True))


def test_the_same_call_again_gets_the_first_answer_byte_for_byte(server: RunningServer) -> None:
    sent = [unary(each) for each in several(5)]
    first = [server.stubs.scoring.ScoreTransaction(each).score for each in sent]
    again = [server.stubs.scoring.ScoreTransaction(each).score for each in sent]
    assert not any(score.replayed for score in first)
    assert all(score.replayed for score in again)
    assert list(map(without_mark, again)) == list(map(without_mark, first))
    assert (known(server), counted(server)) == (5, 5)


def test_what_was_scored_one_way_is_answered_again_in_the_other(server: RunningServer) -> None:
    sent = several(6)
    calls = [server.stubs.scoring.ScoreTransaction(unary(each)).score for each in sent[:3]]
    results = [result.score for result in streamed(server, frame(*sent))]
    assert [score.replayed for score in results] == [True] * 3 + [False] * 3
    assert list(map(without_mark, results[:3])) == list(map(without_mark, calls))
    late = [server.stubs.scoring.ScoreTransaction(unary(each)).score for each in sent[3:]]
    assert list(map(without_mark, late)) == list(map(without_mark, results[3:]))
    assert known(server) == 6


def test_calls_in_flight_together_get_one_answer(server: RunningServer) -> None:
    sent = [unary(each) for each in several(8) for _ in range(8)]
    calls = [server.stubs.scoring.ScoreTransaction.future(each) for each in sent]
    scores = [call.result().score for call in calls]
    for start in range(0, 64, 8):
        assert len(set(map(without_mark, scores[start : start + 8]))) == 1
        assert sum(not score.replayed for score in scores[start : start + 8]) == 1
    assert known(server) == 8


def test_twins_in_one_frame_get_one_answer(server: RunningServer) -> None:
    one, other = several(2)
    results = [result.score for result in streamed(server, frame(one, other, one, one, other))]
    assert [score.replayed for score in results] == [False, False, True, True, True]
    assert without_mark(results[2]) == without_mark(results[3]) == without_mark(results[0])
    assert known(server) == 2


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"amount_minor": 999_999}, "amount_minor"),
        ({"merchant_id": "another", "device_id": "another"}, "merchant_id,device_id"),
        ({"attributes": {"risk_band": 0.5}}, "attributes"),
    ],
)
def test_another_transaction_with_the_id_is_refused_with_what_differs(
    server: RunningServer, changes: dict[str, Any], fields: str
) -> None:
    first = server.stubs.scoring.ScoreTransaction(unary(transaction("t-1"))).score
    with pytest.raises(grpc.RpcError) as caught:
        server.stubs.scoring.ScoreTransaction(unary(transaction("t-1", **changes)))
    told = failure(caught.value)
    assert told.code == grpc.StatusCode.ALREADY_EXISTS.value[0]
    assert told.reason == "TRANSACTION_CONFLICT"
    assert told.metadata == {"transaction_id": "t-1", "fields": fields}
    results = streamed(
        server,
        frame(transaction("t-0"), transaction("t-1", **changes), transaction("t-1"), transaction("t-2")),
    )
    assert [result.WhichOneof("result") for result in results] == ["score", "status", "score", "score"]
    assert failure(results[1].status).metadata == told.metadata
    assert without_mark(results[2].score) == without_mark(first)
    assert known(server) == 3


def test_a_conflict_within_a_frame_refuses_the_later_one(server: RunningServer) -> None:
    results = streamed(server, frame(transaction("t-1"), transaction("t-1", amount_minor=999_999)))
    assert results[0].HasField("score")
    assert failure(results[1].status).metadata["fields"] == "amount_minor"


def test_the_same_content_in_other_bytes_is_the_same_transaction(server: RunningServer) -> None:
    raw = transaction("t-1").SerializeToString()
    ident = transaction_pb2.Transaction(transaction_id="t-1").SerializeToString()
    moved = raw.replace(ident, b"", 1) + ident
    assert moved != raw
    first = server.stubs.scoring.ScoreTransaction(unary(transaction("t-1"))).score
    method = "/kuntur.api.v1.ScoringService/ScoreTransaction"
    call = server.stubs.channel.unary_unary(method)  # bytes as they are
    answer = scoring_service_pb2.ScoreTransactionResponse.FromString(
        call(b"\x0a" + _varint(len(moved)) + moved)
    )
    assert answer.score.replayed
    assert without_mark(answer.score) == without_mark(first)


def test_what_was_only_backfilled_is_scored_once_and_then_answered_again(server: RunningServer) -> None:
    sent = several(3)
    server.stubs.history.Backfill(iter([history_service_pb2.BackfillRequest(transactions=sent)]))
    first = [result.score for result in streamed(server, frame(*sent))]
    again = [result.score for result in streamed(server, frame(*sent))]
    assert [score.replayed for score in first + again] == [False] * 3 + [True] * 3
    assert list(map(without_mark, again)) == list(map(without_mark, first))
    assert known(server) == 3


def test_institutions_do_not_share_ids(server: RunningServer) -> None:
    one = server.stubs.scoring.ScoreTransaction(unary(transaction("t-1", institution_id="one")))
    other = server.stubs.scoring.ScoreTransaction(
        unary(transaction("t-1", institution_id="other", amount_minor=5))
    )
    assert not one.score.replayed
    assert not other.score.replayed


def test_what_got_no_valid_score_gets_one_when_it_comes_again(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    publish_passing_on(tmp_path / "registry", "m-1")
    with running_server(tmp_path / "registry", **settings) as server:
        server.wait_until_live("m-1")
        sent = unary(transaction("t-1"))  # the model gives back an unset attribute
        for _ in range(2):
            with pytest.raises(grpc.RpcError) as caught:
                server.stubs.scoring.ScoreTransaction(sent)
            assert failure(caught.value).reason == "MODEL_VALUE_INVALID"
        assert known(server) == 1
        publish(tmp_path / "registry", "m-2")
        server.wait_until_live("m-2")
        score = server.stubs.scoring.ScoreTransaction(sent).score
        assert (score.model_version, score.replayed) == ("m-2", False)
        assert server.stubs.scoring.ScoreTransaction(sent).score.replayed
        assert known(server) == 1


def test_what_has_lost_its_first_answer_gets_another_one_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tmp_path / "registry", "m-1")
    with running_server(tmp_path / "registry", journal={"path": tmp_path / "journal"}) as server:
        server.wait_until_live("m-1")
        one, other, new = several(3)
        first = [result.score for result in streamed(server, frame(one, other))]
        monkeypatch.setattr(server.app.journal, "find", lambda _: None)  # its files were removed
        again = server.stubs.scoring.ScoreTransaction(unary(one), timeout=60).score
        results = [result.score for result in streamed(server, frame(one, new, other))]
        assert not any(score.replayed for score in (again, *results))
        assert without_mark(again) == without_mark(results[0]) == without_mark(first[0])
        assert known(server) == 3
    said = [each.response for each in read_exchanges(tmp_path / "journal")]
    assert scoring_service_pb2.ScoreTransactionResponse.FromString(said[1] or b"").score == again
    assert len(said) == 3


def _varint(value: int) -> bytes:
    raw = bytearray()
    while value > 127:
        raw.append(value & 127 | 128)
        value >>= 7
    return bytes([*raw, value])
