from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2

from kuntur.api.v1 import model_service_pb2
from server.models import ModelListing
from server.rpc.admission.overload import REFUSALS_AT_ONCE
from server.state import RegionHistory
from tests.support.bundles import publish
from tests.support.open_stream import OpenStream
from tests.support.serving import (
    RunningServer,
    failure,
    frame,
    running_server,
    stubs_for,
    transaction,
    unary,
    wait_until,
)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("admission") / "registry"
    publish(directory, "m-1")
    return directory


@pytest.fixture
def passing(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Lets transactions into the history while it is set, as it is at first."""
    open_ = threading.Event()
    open_.set()
    admit = RegionHistory.admit

    def wait(self: RegionHistory, batch: Any, *arguments: Any, **options: Any) -> Any:
        assert open_.wait(30)
        return admit(self, batch, *arguments, **options)

    monkeypatch.setattr(RegionHistory, "admit", wait)
    monkeypatch.setattr(RegionHistory, "remote", True)  # as it keeps its callers waiting
    yield open_
    open_.set()


def named(caller: str) -> tuple[tuple[str, str], ...]:
    return (("x-kuntur-caller", caller),)


def refusal(call: Any) -> Any:
    """Returns the opened status that a call ended with."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return failure(caught.value)


def occurred(server: RunningServer, name: str, **labels: str) -> float:
    return server.app.metrics.registry.get_sample_value(name, labels) or 0.0


def test_a_caller_at_its_limit_is_refused_and_others_are_not(
    registry: Path, passing: threading.Event
) -> None:
    limits = {
        "max_unary_per_caller": 1,
        "max_streams_per_caller": 1,
        "caller_metadata_key": "x-kuntur-caller",
    }
    with running_server(registry, limits=limits) as server:
        server.wait_until_live("m-1")
        score = server.stubs.scoring.ScoreTransaction
        passing.clear()
        held = score.future(unary(transaction("a-1")), metadata=named("a"))
        wait_until(lambda: server.app.admission.unary.inside == 1)
        refused = refusal(lambda: score(unary(transaction("a-2")), metadata=named("a")))
        assert refused.metadata == {"limit": "1", "resource": "calls", "scope": "caller"}
        assert refused.retried
        other = score.future(unary(transaction("b-1")), metadata=named("b"))
        wait_until(lambda: server.app.admission.unary.inside == 2)
        passing.set()
        assert held.result().score.transaction_id == "a-1"
        assert other.result().score.transaction_id == "b-1"
        stream = OpenStream(server, named("a"))
        stream.score("s-1")
        refused = refusal(lambda: OpenStream(server, named("a")).score("s-2"))
        assert refused.metadata == {"limit": "1", "resource": "streams", "scope": "caller"}
        another = OpenStream(server, named("b"))
        assert len(another.score("s-3").results) == 1
        stream.close()
        assert list(stream.answers) == []
        wait_until(lambda: server.app.admission.streams.inside == 1)
        another.close()
        assert len(OpenStream(server, named("a")).score("s-4").results) == 1


def test_callers_without_a_name_go_by_their_address(registry: Path) -> None:
    with running_server(registry, limits={"max_streams_per_caller": 1}) as server:
        server.wait_until_live("m-1")
        stream = OpenStream(server)
        stream.score("s-1")
        with stubs_for(server.address) as stubs:  # another port of the same address
            answers = stubs.scoring.ScoreStream(iter([frame(transaction("s-2"))]))
            assert refusal(lambda: next(answers)).metadata["scope"] == "caller"
        stream.close()


def test_callers_are_forgotten_once_nothing_of_theirs_is_in_flight(registry: Path) -> None:
    limits = {"max_unary_per_caller": 1, "caller_metadata_key": "x-kuntur-caller"}
    with running_server(registry, limits=limits) as server:
        server.wait_until_live("m-1")
        for number in range(300):
            request = unary(transaction(f"t-{number}"))
            server.stubs.scoring.ScoreTransaction(request, metadata=named(f"stranger-{number}"))
        callers = server.app.admission.unary.callers
        assert callers is not None
        wait_until(lambda: len(callers) == 0)


def test_control_calls_are_answered_while_every_place_is_taken(
    registry: Path, passing: threading.Event
) -> None:
    limits = {"max_unary_in_flight": 2, "max_streams": 2, "control_threads": 2}
    with running_server(registry, limits=limits) as server:
        server.wait_until_live("m-1")
        streams = [OpenStream(server) for _ in range(2)]
        for number, stream in enumerate(streams):
            stream.score(f"s-{number}")
        passing.clear()
        score = server.stubs.scoring.ScoreTransaction
        held = [score.future(unary(transaction(f"t-{number}"))) for number in range(2)]
        wait_until(lambda: server.app.admission.unary.inside == 2)
        for _ in range(50):
            assert server.stubs.health_of() == "SERVING"
            live = server.stubs.models.GetLiveModel(model_service_pb2.GetLiveModelRequest())
            assert live.model.model_version == "m-1"
            assert refusal(lambda: score(unary(transaction("beyond")))).reason == "OVERLOADED"
            assert refusal(lambda: OpenStream(server).score("beyond")).reason == "OVERLOADED"
        refused = {"reason": "OVERLOADED"}
        assert occurred(server, "kuntur_calls_refused_total", resource="calls", **refused) == 50
        assert occurred(server, "kuntur_calls_refused_total", resource="streams", **refused) == 50
        assert server.app.history.counts().recent_transactions == 2
        passing.set()
        assert {call.result().score.transaction_id for call in held} == {"t-0", "t-1"}


def test_a_flood_is_answered_or_refused_with_a_reason_and_nobody_is_cancelled(
    registry: Path, passing: threading.Event
) -> None:
    with running_server(registry, limits={"max_unary_in_flight": 4, "refusals_per_s": 500}) as server:
        server.wait_until_live("m-1")
        score = server.stubs.scoring.ScoreTransaction
        passing.clear()
        flood = [score.future(unary(transaction(f"t-{number}"))) for number in range(1000)]
        # 4 are in and all others are told, as fast as there is time for telling.
        wait_until(lambda: sum(call.done() for call in flood) == 1000 - 4)
        assert server.stubs.health_of() == "SERVING"
        assert server.stubs.models.GetLiveModel(model_service_pb2.GetLiveModelRequest())
        passing.set()
        answered = [call for call in flood if call.code() is grpc.StatusCode.OK]
        failures = [failure(call) for call in flood if call not in answered]
        assert len(answered) == 4
        assert {(found.code, found.reason, found.retried) for found in failures} == {(8, "OVERLOADED", True)}
        assert server.app.history.counts().recent_transactions == len(answered)
        assert score(unary(transaction("after"))).score.transaction_id == "after"


def test_callers_that_do_not_wait_for_their_turn_leave_others_theirs(
    registry: Path, passing: threading.Event
) -> None:
    limits = {
        "max_unary_in_flight": 8,
        "max_unary_per_caller": 4,
        "caller_metadata_key": "x-kuntur-caller",
        "refusals_per_s": 50,
    }
    with running_server(registry, limits=limits) as server:
        server.wait_until_live("m-1")
        score = server.stubs.scoring.ScoreTransaction
        passing.clear()
        rude = [score.future(unary(transaction(f"r-{n}")), metadata=named("rude")) for n in range(60)]
        wait_until(lambda: server.app.admission.unary.inside == 4)
        with stubs_for(server.address) as others:
            call = others.scoring.ScoreTransaction.future(unary(transaction("o")), metadata=named("other"))
            wait_until(lambda: server.app.admission.unary.inside == 5)
            passing.set()
            assert call.result().score.transaction_id == "o"
        for one in rude:
            one.cancel()


def test_refusals_of_streams_wait_for_their_turn_and_others_are_answered(registry: Path) -> None:
    limits = {"max_streams": 1, "refusals_per_s": 1e-6, "max_streams_per_connection": 128}
    with running_server(registry, limits=limits) as server:
        server.wait_until_live("m-1")
        stream = OpenStream(server)
        stream.score("s-1")
        with stubs_for(server.address) as others:
            frames = [iter([frame(transaction(f"r-{number}"))]) for number in range(80)]
            rude = [others.scoring.ScoreStream(its) for its in frames]
            for number in range(20):
                assert server.stubs.scoring.ScoreTransaction(unary(transaction(f"t-{number}")))
                assert len(stream.score(f"s-2-{number}").results) == 1
            wait_until(lambda: sum(call.done() for call in rude) == REFUSALS_AT_ONCE)
            told = [failure(call) for call in rude if call.done()]
            assert {(one.code, one.reason, one.retried) for one in told} == {(8, "OVERLOADED", True)}
            stopping = threading.Thread(target=server.app.stop)
            stopping.start()
            wait_until(
                lambda: all(call.done() for call in rude)
            )  # nobody waits longer than the server is there
            stopping.join()
        stream.close()


def test_watchers_of_health_hold_no_thread(registry: Path) -> None:
    with running_server(registry, limits={"control_threads": 2}) as server:
        server.wait_until_live("m-1")
        watches = [server.stubs.health.Watch(health_pb2.HealthCheckRequest()) for _ in range(20)]
        assert {next(watch).status for watch in watches} == {health_pb2.HealthCheckResponse.SERVING}
        assert server.stubs.health_of() == "SERVING"
        for watch in watches:
            watch.cancel()


def test_a_stop_beside_watchers_that_go_stands_still_for_nobody(registry: Path) -> None:
    for _ in range(20):
        with running_server(registry) as server:
            server.wait_until_live("m-1")
            watches = [server.stubs.health.Watch(health_pb2.HealthCheckRequest()) for _ in range(50)]
            assert {next(watch).status for watch in watches} == {health_pb2.HealthCheckResponse.SERVING}
            for watch in watches[::2]:
                watch.cancel()
            threading.Thread(target=_cancel, args=(watches,)).start()


def _cancel(watches: list[Any]) -> None:
    for watch in watches:
        watch.cancel()


def test_a_call_whose_deadline_passed_while_it_waited_for_a_thread_is_not_worked_on(
    registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passing = threading.Event()
    asked: list[str] = []
    get = ModelListing.get

    def wait(self: ModelListing, version: str) -> Any:
        asked.append(version)
        assert passing.wait(60)
        return get(self, version)

    monkeypatch.setattr(ModelListing, "get", wait)
    with running_server(registry, limits={"control_threads": 2}) as server:
        server.wait_until_live("m-1")
        call = server.stubs.models.GetModel
        held = [call.future(model_service_pb2.GetModelRequest(model_version="m-1")) for _ in range(2)]
        wait_until(lambda: asked == ["m-1"] * 2)
        late = call.future(model_service_pb2.GetModelRequest(model_version="late"), timeout=2)
        wait_until(lambda: server.app.admission.control.inside == 3)
        # The server's deadline counts from the call's arrival, which was before now, and gRPC rounds it up.
        passed_at = time.monotonic() + 2 * 1.25
        assert late.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        wait_until(lambda: time.monotonic() > passed_at)
        passing.set()
        assert {one.result().model.model_version for one in held} == {"m-1"}
        wait_until(lambda: server.app.admission.control.inside == 0)
        assert asked == ["m-1"] * 2
        refused = {"resource": "control calls", "reason": "DEADLINE_PASSED"}
        assert occurred(server, "kuntur_calls_refused_total", **refused) == 1


def test_hundreds_of_cancelled_streams_and_calls_leave_no_place_taken(registry: Path) -> None:
    with running_server(registry, limits={"max_streams": 8, "max_unary_in_flight": 8}) as server:
        server.wait_until_live("m-1")
        admission = server.app.admission
        for number in range(400):
            wait_until(lambda: admission.streams.inside < 8 and admission.unary.inside < 8)
            stream = OpenStream(server)
            if number % 2:
                stream.score(f"s-{number}")
            stream.answers.cancel()
            stream.close()
            server.stubs.scoring.ScoreTransaction.future(unary(transaction(f"t-{number}"))).cancel()
        wait_until(lambda: admission.streams.inside == 0 and admission.unary.inside == 0)
        assert len(OpenStream(server).score("after").results) == 1


def test_a_stream_ends_after_the_frame_that_it_is_at_when_its_lifetime_is_over(
    registry: Path, passing: threading.Event
) -> None:
    with running_server(registry, limits={"max_stream_lifetime_s": 0.05}) as server:
        server.wait_until_live("m-1")
        passing.clear()
        threading.Timer(0.1, passing.set).start()
        stream = OpenStream(server)
        assert len(stream.score("s-1").results) == 1
        ended = refusal(lambda: stream.score("s-2"))
        assert (ended.code, ended.reason, ended.retried) == (14, "STREAM_EXPIRED", True)
        assert server.app.history.counts().recent_transactions == 1
        wait_until(lambda: server.app.admission.streams.inside == 0)


def test_a_stream_that_waits_for_its_caller_is_cut_off_as_unavailable(registry: Path) -> None:
    with running_server(registry, limits={"max_stream_lifetime_s": 0.05}) as server:
        server.wait_until_live("m-1")
        stream = OpenStream(server)
        with pytest.raises(grpc.RpcError) as caught:
            next(stream.answers)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert "open another" in str(caught.value.details())
        wait_until(lambda: server.app.admission.streams.inside == 0)
