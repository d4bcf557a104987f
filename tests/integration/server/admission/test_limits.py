from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest

from kuntur.api.v1 import outcome_pb2, outcome_service_pb2
from kuntur.journal.entries import RequestKind
from kuntur.journal.exchanges import read_exchanges
from server.state import RegionHistory
from tests.support.bundles import publish
from tests.support.open_stream import OpenStream
from tests.support.serving import (
    EVENT_TIME,
    failure,
    frame,
    running_server,
    transaction,
    unary,
    wait_until,
)


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    publish(tmp_path / "registry", "m-1")
    return tmp_path / "registry"


@pytest.fixture
def passing(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Lets lone transactions into the history while it is set, as it is at first; frames always pass."""
    open_ = threading.Event()
    open_.set()
    admit = RegionHistory.admit

    def wait(self: RegionHistory, batch: Any, *arguments: Any, **options: Any) -> Any:
        if len(batch) == 1:
            assert open_.wait(30)
        return admit(self, batch, *arguments, **options)

    monkeypatch.setattr(RegionHistory, "admit", wait)
    monkeypatch.setattr(RegionHistory, "remote", True)  # as it keeps its callers waiting
    yield open_
    open_.set()


def test_streams_beyond_the_limit_are_refused_at_once_and_the_open_ones_go_on(registry: Path) -> None:
    with running_server(registry, limits={"max_streams": 2}) as server:
        server.wait_until_live("m-1")
        streams = [OpenStream(server) for _ in range(2)]
        for i, stream in enumerate(streams):
            stream.score(f"open-{i}", f"open-{i}-b")
        with pytest.raises(grpc.RpcError) as caught:
            OpenStream(server).score("beyond")
        opened = failure(caught.value)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert (opened.reason, opened.retried) == ("OVERLOADED", True)
        assert opened.metadata == {"limit": "2", "resource": "streams", "scope": "server"}
        assert server.stubs.health_of() == "SERVING"
        assert server.stubs.scoring.ScoreTransaction(unary(transaction("unary"))).score.model_version == "m-1"
        for i, stream in enumerate(streams):
            assert len(stream.score(f"still-{i}").results) == 1
            stream.close()
            assert list(stream.answers) == []
        again = OpenStream(server)
        assert len(again.score("again").results) == 1
        again.close()


def test_unary_calls_beyond_the_limit_are_refused_and_health_answers(
    registry: Path, passing: threading.Event
) -> None:
    with running_server(registry, limits={"max_unary_in_flight": 2}) as server:
        server.wait_until_live("m-1")
        passing.clear()
        calls = [server.stubs.scoring.ScoreTransaction.future(unary(transaction(f"t-{i}"))) for i in range(2)]
        wait_until(lambda: server.app.admission.unary.inside == 2)
        with pytest.raises(grpc.RpcError) as caught:
            server.stubs.scoring.ScoreTransaction(unary(transaction("beyond")))
        assert failure(caught.value).metadata == {"limit": "2", "resource": "calls", "scope": "server"}
        assert server.stubs.health_of() == "SERVING"
        stream = OpenStream(server)
        assert len(stream.score("a", "b").results) == 2
        stream.close()
        passing.set()
        assert {call.result().score.transaction_id for call in calls} == {"t-0", "t-1"}


def test_cancelled_streams_give_their_place_back(registry: Path) -> None:
    with running_server(registry, limits={"max_streams": 2}) as server:
        server.wait_until_live("m-1")
        for i in range(20):
            wait_until(lambda: server.app.admission.streams.inside < 2)
            stream = OpenStream(server)
            stream.score(f"c-{i}")
            stream.answers.cancel()
            stream.close()
        wait_until(lambda: server.app.admission.streams.inside == 0)


_SILENT_CLIENT = """
import sys, time
import grpc
from kuntur.api.v1 import scoring_service_pb2_grpc
from tests.support.serving import frame, transaction
def frames():
    yield frame(transaction("s-1"))
    time.sleep(600)
channel = grpc.insecure_channel(sys.argv[1])
grpc.channel_ready_future(channel).result()
answers = scoring_service_pb2_grpc.ScoringServiceStub(channel).ScoreStream(frames())
next(answers)
time.sleep(600)
"""


def test_a_client_that_vanished_gives_its_stream_back(registry: Path) -> None:
    with running_server(registry, limits={"max_streams": 1, "keepalive_s": 1.0}) as server:
        server.wait_until_live("m-1")
        address = f"127.0.0.1:{server.app.port}"
        client = subprocess.Popen([sys.executable, "-c", _SILENT_CLIENT, address])
        try:
            wait_until(lambda: server.app.admission.streams.inside == 1)
            client.send_signal(signal.SIGSTOP)  # it keeps its connection, and answers nothing any more
            wait_until(lambda: server.app.admission.streams.inside == 0)
        finally:
            client.kill()
            client.wait()


def test_a_fault_of_the_server_is_internal_with_an_incident_and_no_details(
    registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the secret path is /etc/shadow")

    with running_server(registry) as server:
        server.wait_until_live("m-1")
        monkeypatch.setattr(RegionHistory, "admit", fail)
        for call in (
            lambda: server.stubs.scoring.ScoreTransaction(unary(transaction("t-1"))),
            lambda: list(server.stubs.scoring.ScoreStream(iter([frame(transaction("t-1"))]))),
        ):
            with pytest.raises(grpc.RpcError) as caught:
                call()
            opened = failure(caught.value)
            assert caught.value.code() is grpc.StatusCode.INTERNAL
            assert opened.reason == "INTERNAL"
            assert len(opened.metadata["incident_id"]) == 12
            assert "shadow" not in opened.message


def test_stopping_answers_what_is_in_flight_and_ends_streams_as_shutting_down(
    registry: Path, passing: threading.Event
) -> None:
    with running_server(registry) as server:
        server.wait_until_live("m-1")
        stream = OpenStream(server)
        stream.score("a", "b")
        idle = OpenStream(server)
        idle.score("c", "d")
        passing.clear()
        call = server.stubs.scoring.ScoreTransaction.future(unary(transaction("unary")))
        answers: list[Any] = []
        scoring = threading.Thread(target=lambda: answers.append(stream.score("in-flight")))
        scoring.start()
        admission = server.app.admission
        wait_until(lambda: admission.unary.inside == 1 and admission.frames.inside == 1)
        stopping = threading.Thread(target=server.app.stop)
        stopping.start()
        wait_until(lambda: admission.unary.closed)
        passing.set()
        scoring.join()
        assert answers[0].results[0].score.transaction_id == "in-flight"
        assert call.result().score.transaction_id == "unary"
        with pytest.raises(grpc.RpcError) as caught:
            next(stream.answers)
        opened = failure(caught.value)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert (opened.reason, opened.retried) == ("SHUTTING_DOWN", True)
        with pytest.raises(grpc.RpcError) as caught:
            next(idle.answers)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        stopping.join()
        stream.close()
        idle.close()


def test_health_is_not_serving_before_calls_are_refused(registry: Path) -> None:
    with running_server(registry, shutdown={"balancer_wait_s": 1.0}) as server:
        server.wait_until_live("m-1")
        stopping = threading.Thread(target=server.app.stop)
        stopping.start()
        wait_until(lambda: server.stubs.health_of() == "NOT_SERVING")
        assert server.stubs.scoring.ScoreTransaction(unary(transaction())).score.model_version == "m-1"
        stopping.join()


def test_the_journal_holds_exactly_what_went_over_the_wire(registry: Path, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    scoring = "/kuntur.api.v1.ScoringService/"
    requests = [unary(transaction(f"u-{i}")).SerializeToString() for i in range(5)]
    frames = [frame(transaction(f"s-{i}"), transaction("bad", account_id="")) for i in range(5)]
    sent = [message.SerializeToString() for message in frames]
    with running_server(registry, journal={"path": journal}) as server:
        server.wait_until_live("m-1")
        call = server.stubs.channel.unary_unary(scoring + "ScoreTransaction")
        answers = [call(raw) for raw in requests]
        with pytest.raises(grpc.RpcError):
            call(unary(transaction("refused", account_id="")).SerializeToString())
        streamed = list(server.stubs.channel.stream_stream(scoring + "ScoreStream")(iter(sent)))
        history = server.stubs.channel.stream_unary("/kuntur.api.v1.HistoryService/Backfill")
        past = [frame(transaction(f"b-{i}"), transaction("bad", account_id="")) for i in range(2)]
        past = [message.SerializeToString() for message in past]
        history(iter([*past, *past]))  # what is known enters no second time
        outcome = outcome_service_pb2.ReportOutcomesRequest(
            outcomes=[
                outcome_pb2.Outcome(transaction_id="u-1"),
                outcome_pb2.Outcome(
                    transaction_id="u-1",
                    label=outcome_pb2.OUTCOME_LABEL_FRAUD,
                    reported_time=EVENT_TIME + timedelta(days=1),
                ),
            ]
        ).SerializeToString()
        reported = server.stubs.channel.unary_unary("/kuntur.api.v1.OutcomeService/ReportOutcomes")(outcome)
    found = [(each.kind, each.request, each.response, each.refused) for each in read_exchanges(journal)]
    assert found == [
        *((RequestKind.SCORE_TRANSACTION, q, a, ()) for q, a in zip(requests, answers, strict=True)),
        *((RequestKind.SCORE_STREAM, q, a, (1,)) for q, a in zip(sent, streamed, strict=True)),
        *((RequestKind.BACKFILL, q, None, (1,)) for q in past),
        (RequestKind.REPORT_OUTCOMES, outcome, reported, (0,)),
    ]


def test_metrics_are_offered_over_http_when_a_port_is_given(registry: Path) -> None:
    with running_server(registry) as server:
        server.wait_until_live("m-1")
        server.stubs.scoring.ScoreTransaction(unary(transaction()))
        list(server.stubs.scoring.ScoreStream(iter([frame(*[transaction(f"t-{i}") for i in range(3)])])))
        port, close = server.app.metrics.serve(server.app.settings.metrics)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            text = answer.read().decode()
        close()
    scored = re.findall(r"kuntur_transactions_scored_total\{.*\} (.+)", text)
    assert sum(map(float, scored)) == 3  # one of the frame was the lone one, and had its answer
    assert 'kuntur_request_seconds_count{method="ScoreStream"} 1.0' in text
    assert 'kuntur_live_model{model_version="m-1"} 1.0' in text
    assert 'kuntur_entities{kind="account"} 1.0' in text
    assert "kuntur_transactions_replayed_total 1.0" in text
