"""Attributes that do not match the live model's, counted or refused, by call and by stream."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from kuntur.api.v1 import transaction_pb2
from tests.support.bundles import publish
from tests.support.serving import RunningServer, failure, frame, running_server, transaction, unary

REFUSING = {"unknown": "refuse", "missing": "refuse"}


@pytest.fixture(scope="module", params=["fast", "plain"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    registry = tmp_path_factory.mktemp("registry")
    publish(registry, "m-1")
    with running_server(registry, attributes=REFUSING, rpc={"transport": request.param}) as started:
        started.wait_until_live("m-1")
        yield started


def named(name: str, *attributes: str) -> transaction_pb2.Transaction:
    return transaction(name, account_id=name, attributes=dict.fromkeys(attributes, 0.5))


def known(server: RunningServer) -> int:
    return server.app.history.counts().recent_transactions


def test_a_mistyped_attribute_is_refused_with_its_path_and_nothing_is_counted(server: RunningServer) -> None:
    before = known(server)
    with pytest.raises(grpc.RpcError) as refused:
        server.stubs.scoring.ScoreTransaction(unary(named("t-1", "risk_bnad")))
    told = failure(refused.value)
    assert told.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert "did you mean 'risk_band'? It takes risk_band" in told.message
    assert told.fields == ['transaction.attributes["risk_bnad"]', 'transaction.attributes["risk_band"]']
    assert known(server) == before


def test_in_a_stream_only_its_item_is_refused_and_not_counted(server: RunningServer) -> None:
    before = known(server)
    sent = frame(named("s-1", "risk_band"), named("s-2"), named("s-3", "risk_band"), named("s-4", "other"))
    (answer,) = server.stubs.scoring.ScoreStream(iter([sent]))
    assert [result.HasField("score") for result in answer.results] == [True, False, True, False]
    assert 'transactions[1].attributes["risk_band"] is required by the live model m-1' in (
        answer.results[1].status.message
    )
    assert known(server) == before + 2


def test_frames_that_come_together_are_answered_each_for_itself(server: RunningServer) -> None:
    before = known(server)
    sent = [frame(named(f"f-{n}", *(["risk_band"] if n % 3 else ["rsk_band"]))) for n in range(30)]
    answers = list(server.stubs.scoring.ScoreStream(iter(sent)))
    assert [answer.results[0].HasField("score") for answer in answers] == [bool(n % 3) for n in range(30)]
    assert known(server) == before + 20


def test_calls_that_come_together_are_answered_each_for_itself(server: RunningServer) -> None:
    before = known(server)
    calls = [
        server.stubs.scoring.ScoreTransaction.future(
            unary(named(f"c-{n}", *(["risk_band"] if n % 3 else ["rsk_band"])))
        )
        for n in range(60)
    ]
    codes = [call.code() for call in calls]
    expected = [grpc.StatusCode.OK if n % 3 else grpc.StatusCode.INVALID_ARGUMENT for n in range(60)]
    assert codes == expected
    assert known(server) == before + 40


def test_by_default_they_are_counted_and_scored(tmp_path: Path) -> None:
    publish(tmp_path, "m-1")
    with running_server(tmp_path) as server:
        server.wait_until_live("m-1")
        server.stubs.scoring.ScoreTransaction(unary(named("t-1", "risk_bnad")))
        metrics = server.app.metrics.registry
        for mismatch, name in (("unknown", "risk_bnad"), ("missing", "risk_band")):
            labels = {"mismatch": mismatch, "attribute": name}
            assert metrics.get_sample_value("kuntur_attributes_mismatched_total", labels) == 1
