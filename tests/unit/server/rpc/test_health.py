from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from server.rpc.endpoints.health import HEALTH, KEEPING, MOST_WATCHERS, OTHERS, SCORING, SERVICES, Health

_Response = health_pb2.HealthCheckResponse
SERVING, NOT_SERVING = _Response.SERVING, _Response.NOT_SERVING


@pytest.fixture
def health() -> Iterator[Health]:
    health = Health()
    yield health
    health.close()


@pytest.fixture
def stub(health: Health) -> Iterator[health_pb2_grpc.HealthStub]:
    server = grpc.server(ThreadPoolExecutor(2))  # grpcio's own: nothing of this leans on ours
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(HEALTH, _handlers(health)),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield health_pb2_grpc.HealthStub(channel)
    server.stop(None).wait()


def _handlers(health: Health) -> dict[str, Any]:
    def check(raw: bytes, context: grpc.ServicerContext) -> bytes:
        answer = health.check(raw)
        if not isinstance(answer, bytes):
            context.abort(grpc.StatusCode.NOT_FOUND, answer.message)
        return answer

    return {
        "Check": grpc.unary_unary_rpc_method_handler(check),
        "List": grpc.unary_unary_rpc_method_handler(lambda raw, _: health.list_all(raw)),
        "Watch": health.watching(),
    }


def _request(service: str = "") -> health_pb2.HealthCheckRequest:
    return health_pb2.HealthCheckRequest(service=service)


def test_it_is_not_serving_until_told_and_after_going_down(
    health: Health, stub: health_pb2_grpc.HealthStub
) -> None:
    def states(services: tuple[str, ...] = SCORING) -> set[int]:
        return {stub.Check(_request(service)).status for service in services}

    assert states((*KEEPING, *OTHERS)) == {SERVING}  # they need no model
    assert states() == {NOT_SERVING}
    health.serving()
    assert states() == {SERVING}
    health.hinder("the journal")
    assert states() == {NOT_SERVING}
    health.hinder("the journal", hindered=False)
    assert states() == {SERVING}
    health.going_down()
    health.serving()
    assert states(SERVICES) == {NOT_SERVING}


def test_what_cannot_be_written_down_is_not_served_until_the_last_cause_is_gone(health: Health) -> None:
    def states(services: tuple[str, ...]) -> set[int | None]:
        return {health.of(service) for service in services}

    health.hinder("own")
    health.serving()
    assert states((*SCORING, *KEEPING)) == {NOT_SERVING}
    assert states(OTHERS) == {SERVING}
    health.hinder("of another")
    health.hinder("own", hindered=False)
    assert states((*SCORING, *KEEPING)) == {NOT_SERVING}
    health.hinder("of another", hindered=False)
    assert states(SERVICES) == {SERVING}
    health.going_down()
    assert states(SERVICES) == {NOT_SERVING}


def test_a_list_has_the_state_of_each_service(health: Health, stub: health_pb2_grpc.HealthStub) -> None:
    health.serving()
    found = stub.List(health_pb2.HealthListRequest()).statuses
    assert {name: found[name].status for name in found} == dict.fromkeys(SERVICES, SERVING)


def test_a_service_that_is_not_known(stub: health_pb2_grpc.HealthStub) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stub.Check(_request("other"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    watch = stub.Watch(_request("other"))
    assert next(watch).status == _Response.SERVICE_UNKNOWN
    watch.cancel()


def test_a_watcher_is_told_the_state_and_each_change_once(
    health: Health, stub: health_pb2_grpc.HealthStub
) -> None:
    watch = stub.Watch(_request())
    assert next(watch).status == NOT_SERVING
    health.serving()
    assert next(watch).status == SERVING
    health.serving()
    health.hinder("the journal")
    assert next(watch).status == NOT_SERVING
    watch.cancel()


def test_a_sender_that_stands_still_holds_up_neither_a_change_nor_whoever_goes(health: Health) -> None:
    reached, passing = threading.Event(), threading.Event()

    def stands_still(_: object) -> None:
        reached.set()
        passing.wait()

    told: SimpleQueue[int] = SimpleQueue()
    forget = health.watch("", stands_still)
    assert reached.wait(60)
    other = health.watch("", lambda response: told.put(response.status))
    assert forget is not None
    assert other is not None
    health.serving()
    assert health.of("") == SERVING
    forget()
    passing.set()
    assert told.get(timeout=60) == SERVING


def test_a_watcher_that_fails_costs_the_others_nothing(health: Health) -> None:
    told: SimpleQueue[int] = SimpleQueue()

    def fails(_: object) -> None:
        raise OSError("gone")

    for send in (fails, lambda response: told.put(response.status)):
        assert health.watch("", send) is not None
    assert told.get(timeout=60) == NOT_SERVING
    health.serving()
    assert told.get(timeout=60) == SERVING


def test_watchers_have_a_bound_and_whoever_goes_makes_room(health: Health) -> None:
    def nothing(_: object) -> None: ...

    forgets: list[Callable[[], None] | None] = [health.watch("", nothing) for _ in range(MOST_WATCHERS)]
    assert None not in forgets
    assert health.watch("", nothing) is None
    first = forgets[0]
    assert first is not None
    first()
    assert health.watch("", nothing) is not None


def test_a_watcher_beyond_the_bound_is_refused(health: Health, stub: health_pb2_grpc.HealthStub) -> None:
    for _ in range(MOST_WATCHERS):
        health.watch("", lambda _: None)
    with pytest.raises(grpc.RpcError) as caught:
        next(stub.Watch(_request()))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_cancelled_watchers_are_forgotten(health: Health, stub: health_pb2_grpc.HealthStub) -> None:
    for _ in range(3 * MOST_WATCHERS):
        watch = stub.Watch(_request(), wait_for_ready=True)
        assert next(watch).status == NOT_SERVING
        watch.cancel()
