"""What both transports promise: one suite, and one server of each."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from kuntur.api.v1 import history_service_pb2, model_service_pb2
from kuntur.bundle.bundle import Registry
from server.rpc.endpoints.health import SERVICES
from server.rpc.endpoints.reflection import NAMES
from tests.support.bundles import publish, publish_constant
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
from tests.support.silent import SilentCaller

_SCORE = "/kuntur.api.v1.ScoringService/ScoreTransaction"
_STREAM = "/kuntur.api.v1.ScoringService/ScoreStream"
_MODELS = "/kuntur.api.v1.ModelService/GetLiveModel"
_CHECK = "/grpc.health.v1.Health/Check"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("transports") / "registry"
    publish(directory, "m-1")
    return directory


@pytest.fixture(scope="module", params=["fast", "plain"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def server(registry: Path, transport: str) -> Iterator[RunningServer]:
    limits = {"caller_timeout_s": 1.0, "max_message_bytes": 1 << 16}
    with running_server(registry, limits=limits, rpc={"transport": transport}) as running:
        running.wait_until_live("m-1")
        yield running


def ended(call: Any) -> Any:
    """Returns the opened status that a call ended with."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return failure(caught.value)


def test_the_transport_that_was_asked_for_serves_and_a_metric_says_so(
    server: RunningServer, transport: str
) -> None:
    sample = server.app.metrics.registry.get_sample_value
    assert sample("kuntur_rpc_transport", {"transport": transport}) == 1


def test_calls_and_frames_are_answered(server: RunningServer) -> None:
    answer = server.stubs.scoring.ScoreTransaction(unary(transaction("t-1")))
    assert answer.score.transaction_id == "t-1"
    frames = [frame(transaction(f"s-{n}"), transaction(f"s-{n}-b")) for n in range(20)]
    assert [len(one.results) for one in server.stubs.scoring.ScoreStream(iter(frames))] == [2] * 20


def test_a_call_whose_request_breaks_a_rule_names_the_field(server: RunningServer) -> None:
    refused = ended(lambda: server.stubs.scoring.ScoreTransaction(unary(transaction("t", account_id=""))))
    assert (refused.code, refused.reason) == (3, "INVALID_FIELD")
    assert refused.fields == ["transaction.account_id"]


def test_what_is_no_message_is_refused(server: RunningServer) -> None:
    for method in (_SCORE, _MODELS, _CHECK):
        call = server.stubs.channel.unary_unary(method)
        assert ended(lambda call=call: call(b"\xff\xff\xff")).code == 3


def test_a_message_that_is_too_large_is_refused_and_the_next_is_answered(server: RunningServer) -> None:
    large = transaction("large", attributes={f"a_{n}": 1.0 for n in range(10_000)})
    assert ended(lambda: server.stubs.scoring.ScoreTransaction(unary(large))).code == 8
    assert server.stubs.scoring.ScoreTransaction(unary(transaction("after"))).score.transaction_id == "after"


def test_compressed_requests_are_answered(server: RunningServer) -> None:
    score = server.stubs.scoring.ScoreTransaction
    answer = score(unary(transaction("gzip")), compression=grpc.Compression.Gzip)
    assert answer.score.transaction_id == "gzip"
    frames = iter([frame(transaction("gzip-1")), frame(transaction("gzip-2"))])
    answers = server.stubs.scoring.ScoreStream(frames, compression=grpc.Compression.Gzip)
    assert len(list(answers)) == 2


def test_compressed_requests_that_are_too_large_are_refused_and_the_next_are_answered(
    server: RunningServer,
) -> None:
    large = transaction("large", attributes={f"a_{n}": 1.0 for n in range(10_000)})
    scoring, gzip = server.stubs.scoring, grpc.Compression.Gzip
    assert ended(lambda: scoring.ScoreTransaction(unary(large), compression=gzip)).code == 8
    assert ended(lambda: list(scoring.ScoreStream(iter([frame(large)]), compression=gzip))).code == 8
    requests = iter([history_service_pb2.BackfillRequest(transactions=[large])])
    assert ended(lambda: server.stubs.history.Backfill(requests, compression=gzip)).code == 8
    backfill = server.stubs.channel.stream_unary("/kuntur.api.v1.HistoryService/Backfill")
    for _ in range(5):  # more than have a turn at a time
        assert ended(lambda: backfill(iter([b"\xff\xff\xff"]), compression=gzip)).code == 3
    after = transaction("after-gzip")
    assert scoring.ScoreTransaction(unary(after), compression=gzip).score.transaction_id == "after-gzip"
    requests = iter([history_service_pb2.BackfillRequest(transactions=[after])] * 3)
    assert server.stubs.history.Backfill(requests, compression=gzip).repeated_count == 3


def test_control_calls_and_reflection_may_be_compressed(server: RunningServer) -> None:
    gzip, check = grpc.Compression.Gzip, health_pb2.HealthCheckRequest(service=SERVICES[1])
    assert server.stubs.health.Check(check, compression=gzip).status == 1
    watch = server.stubs.health.Watch(check, compression=gzip)
    assert next(watch).status == 1
    watch.cancel()
    asked = model_service_pb2.GetModelRequest(model_version="m-1")
    assert server.stubs.models.GetModel(asked, compression=gzip).model.model_version == "m-1"
    call = server.stubs.channel.stream_stream(f"/{NAMES[0]}/ServerReflectionInfo")
    request = reflection_pb2.ServerReflectionRequest(list_services="x" * 100).SerializeToString()
    assert len(list(call(iter([request, request]), compression=gzip))) == 2


def test_what_is_no_message_of_reflection_is_refused(server: RunningServer) -> None:
    call = server.stubs.channel.stream_stream(f"/{NAMES[0]}/ServerReflectionInfo")
    assert ended(lambda: list(call(iter([b"\xff\xff"])))).code == 3


def test_health_knows_every_service_by_check_list_and_watch(server: RunningServer) -> None:
    health = server.stubs.health
    assert {server.stubs.health_of(service) for service in SERVICES} == {"SERVING"}
    assert set(health.List(health_pb2.HealthListRequest()).statuses) == set(SERVICES)
    for service in SERVICES:
        watch = health.Watch(health_pb2.HealthCheckRequest(service=service))
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        watch.cancel()
    assert ended(lambda: server.stubs.health_of("nobody")).code == 5


def test_both_versions_of_reflection_list_every_service(server: RunningServer) -> None:
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    for name in NAMES:
        call = server.stubs.channel.stream_stream(
            f"/{name}/ServerReflectionInfo",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        (answer,) = call(iter([request]))
        listed = {service.name for service in answer.list_services_response.service}
        assert listed == {*SERVICES, *NAMES, "grpc.health.v1.Health"} - {""}


def test_a_stream_that_is_cancelled_leaves_no_place_taken(server: RunningServer) -> None:
    for number in range(20):
        frames: queue.Queue[Any] = queue.Queue()
        frames.put(frame(transaction(f"c-{number}")))
        answers = server.stubs.scoring.ScoreStream(iter(frames.get, None))
        next(answers)
        answers.cancel()
        frames.put(None)
    wait_until(lambda: server.app.admission.streams.inside == 0)


def test_a_thousand_calls_at_once_are_all_answered(registry: Path, transport: str) -> None:
    limits = {"caller_timeout_s": 60.0}  # the caller may take its time to read on a busy machine
    with running_server(registry, limits=limits, rpc={"transport": transport}) as server:
        server.wait_until_live("m-1")
        score = server.stubs.scoring.ScoreTransaction
        calls = [score.future(unary(transaction(f"burst-{n}"))) for n in range(1000)]
        assert {call.code() for call in calls} == {grpc.StatusCode.OK}


@pytest.mark.parametrize("method", [_SCORE, _STREAM, _MODELS, _CHECK])
def test_a_connection_full_of_calls_whose_request_never_comes_keeps_nobody_out(
    server: RunningServer, method: str
) -> None:
    with SilentCaller(server.address, method, 64), stubs_for(server.address) as others:
        for number in range(5):
            answer = others.scoring.ScoreTransaction(unary(transaction(f"beside-{number}")))
            assert answer.score.transaction_id == f"beside-{number}"
            assert len(list(others.scoring.ScoreStream(iter([frame(transaction("s"))])))) == 1
            assert others.health_of() == "SERVING"
            assert others.models.GetLiveModel(model_service_pb2.GetLiveModelRequest())


def test_a_call_whose_request_does_not_come_is_ended(server: RunningServer) -> None:
    with SilentCaller(server.address, _SCORE, 8) as caller:
        assert caller.wait_until_ended(8)


def test_a_model_is_taken_up_under_load_and_every_call_is_answered(tmp_path: Path, transport: str) -> None:
    directory = tmp_path / "registry"
    for version, probability in (("m-1", 0.1), ("m-2", 0.2)):
        publish_constant(directory, version, probability)
    Registry(directory).set_live("m-1")
    with running_server(directory, rpc={"transport": transport}) as server:
        server.wait_until_live("m-1")
        score = server.stubs.scoring.ScoreTransaction
        calls = [score.future(unary(transaction(f"before-{n}"))) for n in range(200)]
        Registry(directory).set_live("m-2")
        server.wait_until_live("m-2")
        calls += [score.future(unary(transaction(f"after-{n}"))) for n in range(200)]
        assert {call.result().score.model_version for call in calls} == {"m-1", "m-2"}


def test_streams_beyond_the_limit_are_refused_with_a_delay_unless_one_is_idle(
    registry: Path, transport: str
) -> None:
    def opened() -> tuple[Any, queue.Queue[Any]]:
        frames: queue.Queue[Any] = queue.Queue()
        frames.put(frame(transaction("s")))
        return server.stubs.scoring.ScoreStream(iter(frames.get, None)), frames

    limits = {"max_streams": 2, "stream_idle_s": 600.0}
    with running_server(registry, limits=limits, rpc={"transport": transport}) as server:
        server.wait_until_live("m-1")
        streams = [opened() for _ in range(2)]
        for answers, _ in streams:
            next(answers)
        refused = ended(lambda: next(opened()[0]))
        assert (refused.code, refused.reason, refused.retried) == (8, "OVERLOADED", True)
        for _, frames in streams:
            frames.put(None)
    with running_server(
        registry, limits={**limits, "stream_idle_s": 0.0}, rpc={"transport": transport}
    ) as server:
        server.wait_until_live("m-1")
        first = opened()
        next(first[0])
        second = opened()  # only now, or it might be the one that has moved on last
        next(second[0])
        third = opened()
        assert len(next(third[0]).results) == 1
        displaced = ended(lambda: next(first[0]))
        assert (displaced.code, displaced.reason, displaced.retried) == (14, "STREAM_EXPIRED", True)
        for _, frames in (first, second, third):
            frames.put(None)


def test_a_stop_ends_streams_as_shutting_down(registry: Path, transport: str) -> None:
    with running_server(registry, rpc={"transport": transport}) as server:
        server.wait_until_live("m-1")
        frames: queue.Queue[Any] = queue.Queue()
        frames.put(frame(transaction("s")))
        answers = server.stubs.scoring.ScoreStream(iter(frames.get, None))
        next(answers)
        server.app.stop()
        stopped = ended(lambda: next(answers))
        assert (stopped.code, stopped.reason, stopped.retried) == (14, "SHUTTING_DOWN", True)
        frames.put(None)
