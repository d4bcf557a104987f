from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from kuntur.api.v1 import score_pb2, scoring_service_pb2, transaction_pb2
from kuntur.features import FeatureEngine, FeatureSelection
from kuntur.hash_key import DEFAULT_HASH_KEY, secret_from_hex
from kuntur.wire import TransactionReader
from tests.support.bundles import FEATURES, publish, sigmoid
from tests.support.serving import RunningServer, failure, frame, running_server, transaction, unary

WEIGHTS = (0.001, 0.1, 0.2, 1.0)
BIAS = -1.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    registry = tmp_path_factory.mktemp("registry")
    publish(registry, "m-1", weights=WEIGHTS, bias=BIAS)
    with running_server(registry, limits={"max_frame_transactions": 64}) as started:
        started.wait_until_live("m-1")
        yield started


def changed(**fields: Any) -> transaction_pb2.Transaction:
    """Returns a good message with fields set as they would come over the wire, rules or not."""
    message = transaction("t-bad")
    for name, value in fields.items():
        if name == "attributes":
            message.attributes.update(value)
        elif name == "event_time":
            message.event_time.FromDatetime(value) if value else message.ClearField("event_time")
        else:
            setattr(message, name, value)
    return message


LONG_ID = "x" * 129
MALFORMED: list[tuple[str, dict[str, Any], list[str]]] = [
    ("missing transaction id", {"transaction_id": ""}, ["transaction_id"]),
    ("missing account id", {"account_id": ""}, ["account_id"]),
    ("missing event time", {"event_time": None}, ["event_time"]),
    ("unknown currency", {"currency_code": "QQQ"}, ["currency_code"]),
    ("missing currency", {"currency_code": ""}, ["currency_code"]),
    ("amount zero for a purchase", {"amount_minor": 0, "type": 1}, ["amount_minor"]),
    ("amount below zero", {"amount_minor": -5}, ["amount_minor"]),
    ("amount below zero for a verification", {"amount_minor": -5, "type": 7}, ["amount_minor"]),
    ("amount above the limit", {"amount_minor": 10**13 + 1}, ["amount_minor"]),
    ("time far in the future", {"event_time": datetime.now(UTC) + timedelta(days=2)}, ["event_time"]),
    ("time before 1990", {"event_time": datetime(1989, 12, 31, tzinfo=UTC)}, ["event_time"]),
    ("transaction id over the limit", {"transaction_id": LONG_ID}, ["transaction_id"]),
    ("account id over the limit", {"account_id": LONG_ID}, ["account_id"]),
    ("merchant id over the limit in bytes", {"merchant_id": "ñ" * 65}, ["merchant_id"]),
    ("device id over the limit", {"device_id": LONG_ID}, ["device_id"]),
    ("institution id over the limit", {"institution_id": LONG_ID}, ["institution_id"]),
    ("attribute that is NaN", {"attributes": {"risk_band": math.nan}}, ['attributes["risk_band"]']),
    ("attribute that is infinite", {"attributes": {"risk_band": math.inf}}, ['attributes["risk_band"]']),
    ("attribute with a bad name", {"attributes": {"Risk": 1.0}}, ['attributes["Risk"]']),
    ("unknown type", {"type": 99}, ["type"]),
    ("latitude without longitude", {"merchant_latitude": -12.0}, ["merchant_longitude"]),
    ("unknown country", {"merchant_country_code": "XX"}, ["merchant_country_code"]),
    ("category that is no code", {"merchant_category_code": "54a1"}, ["merchant_category_code"]),
    ("address that is none", {"ip_address": "300.1.1.1"}, ["ip_address"]),
    (
        "several at once",
        {"transaction_id": "", "amount_minor": -1, "currency_code": "pen", "attributes": {"a": math.nan}},
        ["transaction_id", "amount_minor", "currency_code", 'attributes["a"]'],
    ),
    (
        "as many bad attributes as there may be",
        {"attributes": {f"risk_{i:02}": math.nan for i in range(64)}},
        [f'attributes["risk_{i:02}"]' for i in range(64)],
    ),
    ("too many attributes", {"attributes": {f"risk_{i}": 0.5 for i in range(65)}}, ["attributes"]),
]
CASES = [pytest.param(fields, paths, id=name) for name, fields, paths in MALFORMED]


@pytest.mark.parametrize(("fields", "paths"), CASES)
def test_a_malformed_transaction_gets_every_violation_with_its_path(
    server: RunningServer, fields: dict[str, Any], paths: list[str]
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        server.stubs.scoring.ScoreTransaction(unary(changed(**fields)))
    opened = failure(caught.value)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert opened.reason == "INVALID_FIELD"
    assert opened.fields == [f"transaction.{path}" for path in paths]
    assert opened.metadata == {"violations": str(len(paths))}


@pytest.mark.parametrize(("fields", "paths"), CASES)
def test_in_a_stream_a_malformed_transaction_spoils_only_its_own_item(
    server: RunningServer, fields: dict[str, Any], paths: list[str]
) -> None:
    good = [transaction(f"around-{id(fields)}-{i}") for i in range(2)]
    frames = iter([frame(good[0], changed(**fields), good[1]), frame(good[0])])
    first, second = server.stubs.scoring.ScoreStream(frames)
    assert [result.WhichOneof("result") for result in first.results] == ["score", "status", "score"]
    assert [result.score.transaction_id for result in first.results[::2]] == [g.transaction_id for g in good]
    opened = failure(first.results[1].status)
    assert (opened.code, opened.reason) == (grpc.StatusCode.INVALID_ARGUMENT.value[0], "INVALID_FIELD")
    assert opened.fields == [f"transactions[1].{path}" for path in paths]
    assert second.results[0].HasField("score")


def test_a_frame_of_nothing_but_wrong_transactions_gets_an_answer_that_a_client_takes(
    server: RunningServer,
) -> None:
    wrong = changed(account_id=LONG_ID, attributes={"x" * 64 + str(i): math.nan for i in range(64)})
    requests = iter([frame(*[wrong] * 64), frame(transaction("after-the-wrong"))])
    first, second = server.stubs.scoring.ScoreStream(requests)
    opened = [failure(result.status) for result in first.results]
    assert [each.metadata for each in opened] == [{"violations": "65"}] * 64
    assert [each.fields[0] for each in opened] == [f"transactions[{i}].account_id" for i in range(64)]
    assert 64 * 10_000 < first.ByteSize() < 2_500_000
    assert second.results[0].HasField("score")


def test_requests_of_far_too_many_transactions_are_refused_before_they_are_read(
    server: RunningServer,
) -> None:
    raw = b"\x0a\x00" * 1_000_000
    with pytest.raises(grpc.RpcError) as caught:
        server.stubs.channel.unary_unary("/kuntur.api.v1.ScoringService/ScoreTransaction")(raw)
    assert "more than one transaction" in str(caught.value.details())
    stream = server.stubs.channel.stream_stream("/kuntur.api.v1.ScoringService/ScoreStream")(iter([raw]))
    with pytest.raises(grpc.RpcError) as caught:
        list(stream)
    assert failure(caught.value).reason == "FRAME_SIZE"


def test_a_malformed_transaction_leaves_no_trace_in_the_history(server: RunningServer) -> None:
    before = server.app.history.counts()
    with pytest.raises(grpc.RpcError):
        server.stubs.scoring.ScoreTransaction(unary(changed(account_id="never-seen", amount_minor=-1)))
    assert server.app.history.counts() == before


def test_a_verification_of_amount_zero_is_scored(server: RunningServer) -> None:
    message = changed(transaction_id="verification", amount_minor=0, type=7)
    answer = server.stubs.scoring.ScoreTransaction(unary(message))
    assert answer.score.transaction_id == "verification"


def test_a_request_without_a_transaction_says_which_field_it_lacks(server: RunningServer) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        server.stubs.scoring.ScoreTransaction(scoring_service_pb2.ScoreTransactionRequest())
    assert failure(caught.value).fields == ["transaction"]


@pytest.mark.parametrize("raw", [b"\xff\xff\xff", b"\x0a\xff", b"\x0a\x05hello", bytes(range(256))])
def test_bytes_that_are_no_request_are_an_invalid_argument(server: RunningServer, raw: bytes) -> None:
    call = server.stubs.channel.unary_unary("/kuntur.api.v1.ScoringService/ScoreTransaction")
    with pytest.raises(grpc.RpcError) as caught:
        call(raw)
    opened = failure(caught.value)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert (opened.reason, opened.fields) == ("INVALID_FIELD", [""])


def test_bytes_that_are_no_frame_end_the_stream_after_the_answers_before(server: RunningServer) -> None:
    call = server.stubs.channel.stream_stream("/kuntur.api.v1.ScoringService/ScoreStream")
    answers = call(iter([frame(transaction("before-garbage")).SerializeToString(), b"\xff\xff"]))
    assert len(scoring_service_pb2.ScoreStreamResponse.FromString(next(answers)).results) == 1
    with pytest.raises(grpc.RpcError) as caught:
        next(answers)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("size", [0, 65])
def test_a_frame_that_is_empty_or_too_large_ends_the_stream(server: RunningServer, size: int) -> None:
    messages = [transaction(f"size-{i}") for i in range(size)]
    with pytest.raises(grpc.RpcError) as caught:
        list(server.stubs.scoring.ScoreStream(iter([frame(*messages)])))
    opened = failure(caught.value)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert (opened.reason, opened.metadata) == ("FRAME_SIZE", {"maximum": "64"})


def test_answers_come_in_the_order_of_the_requests(server: RunningServer) -> None:
    ids = [f"order-{i}" for i in range(200)]
    frames = [frame(*map(transaction, ids[start : start + 10])) for start in range(0, 200, 10)]
    answers = server.stubs.scoring.ScoreStream(iter(frames))
    assert [result.score.transaction_id for answer in answers for result in answer.results] == ids


def test_a_repeated_transaction_is_answered_and_counted_once(server: RunningServer) -> None:
    before, sample = server.app.history.counts(), server.app.metrics.registry.get_sample_value
    replayed = sample("kuntur_transactions_replayed_total") or 0
    for _ in range(3):
        server.stubs.scoring.ScoreTransaction(unary(transaction("again", account_id="a-again")))
    list(server.stubs.scoring.ScoreStream(iter([frame(*[transaction("again", account_id="a-again")] * 2)])))
    after = server.app.history.counts()
    assert sample("kuntur_transactions_replayed_total") == replayed + 4
    assert after.recent_transactions - before.recent_transactions == 1


def test_the_same_id_of_two_institutions_is_two_transactions(server: RunningServer) -> None:
    before = server.app.history.counts().repeated
    for institution in ("bank-a", "bank-b"):
        message = transaction("shared-id", institution_id=institution)
        server.stubs.scoring.ScoreTransaction(unary(message))
    assert server.app.history.counts().repeated == before


def test_the_decision_follows_the_thresholds(server: RunningServer) -> None:
    decisions = {}
    for band in (-9.0, 1.5, 9.0):
        message = transaction(f"band-{band}", account_id=f"band-{band}", attributes={"risk_band": band})
        score = server.stubs.scoring.ScoreTransaction(unary(message)).score
        decisions[band] = score.decision
        assert (score.decision >= score_pb2.DECISION_REVIEW) == (score.fraud_probability >= 0.5)
    assert list(decisions.values()) == [
        score_pb2.DECISION_APPROVE,
        score_pb2.DECISION_REVIEW,
        score_pb2.DECISION_DECLINE,
    ]


@pytest.mark.parametrize("size", [1, 7, 64])
def test_scores_over_the_wire_are_those_of_an_offline_replay(tmp_path: Path, size: int) -> None:
    rng = np.random.default_rng(size)
    messages = [
        transaction(
            f"r-{i}",
            account_id=f"a-{rng.integers(5)}",
            amount_minor=int(rng.integers(1, 100_000)),
            event_time=datetime(2024, 5, 1, tzinfo=UTC) + timedelta(minutes=i),
            attributes={"risk_band": float(rng.normal())} if i % 3 else {},
        )
        for i in range(300)
    ]
    reading = TransactionReader(secret_from_hex(DEFAULT_HASH_KEY)).read_request(
        scoring_service_pb2.ScoreStreamRequest(transactions=messages).SerializeToString(), 2**60
    )
    features = FeatureSelection(FEATURES).take(
        FeatureEngine().process(reading.batch), reading.batch.attributes
    )
    expected = sigmoid(np.nan_to_num(features.astype(np.float64)) @ np.array(WEIGHTS) + BIAS)
    publish(tmp_path, "m-1", weights=WEIGHTS, bias=BIAS)
    with running_server(tmp_path) as started:
        started.wait_until_live("m-1")
        frames = [frame(*messages[start : start + size]) for start in range(0, 300, size)]
        answers = list(started.stubs.scoring.ScoreStream(iter(frames)))
    found = [result.score.fraud_probability for answer in answers for result in answer.results]
    np.testing.assert_allclose(found, expected, atol=1e-6)
