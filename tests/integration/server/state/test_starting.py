"""A server that makes its history anew says so at its port, and hands the port over without a failure."""

from __future__ import annotations

import json
import os
import queue
import re
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from kuntur.api.v1 import history_service_pb2, model_service_pb2, outcome_service_pb2
from server.rpc.endpoints.health import SERVICES
from tests.support.bundles import publish_constant
from tests.support.certificates import Authority
from tests.support.killed import wait_for_end
from tests.support.programs.held_server import VARIABLE
from tests.support.programs.server_process import ServerProcess, children
from tests.support.serving import Stubs, failure, frame, stubs_for, transaction, unary, wait_until

_TOLD = "callers are told that the server is starting"
_HELD = ("-m", "tests.support.programs.held_server")


class Held:
    """A server that makes its history anew until it is let go."""

    def __init__(self, server: ServerProcess, released: Path) -> None:
        self.server, self._released = server, released

    @property
    def address(self) -> str:
        """Where it answers that it is starting."""
        wait_until(lambda: self.server.wrote(_TOLD))
        (line,) = (line for line in self.server.lines if _TOLD in line)
        return str(json.loads(line)["listen"])

    def let_go(self) -> None:
        self._released.touch()


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns the folder of a server that has had a transaction."""
    folder = tmp_path_factory.mktemp("before")
    publish_constant(folder / "registry", "m-1", 0.1)
    with ServerProcess(*arguments_in(folder)) as server, stubs_for(server.address) as stubs:
        assert not scored(stubs).replayed
        assert server.end() == 0
    return folder


@pytest.fixture
def journaled(tmp_path: Path, before: Path) -> tuple[str, ...]:
    """Returns the arguments of a server that goes on from there."""
    shutil.copytree(before, tmp_path, dirs_exist_ok=True)
    return arguments_in(tmp_path)


def arguments_in(folder: Path) -> tuple[str, ...]:
    return ("--registry", str(folder / "registry"), "--journal", str(folder / "journal"))


@contextmanager
def held(tmp_path: Path, arguments: tuple[str, ...], **options: Any) -> Iterator[Held]:
    os.environ[VARIABLE] = str(tmp_path / "released")
    try:
        with ServerProcess(*arguments, program=_HELD, **options) as server:
            yield Held(server, tmp_path / "released")
    finally:
        del os.environ[VARIABLE]


def scored(stubs: Stubs, name: str = "t-1") -> Any:
    request = unary(transaction(name))
    return stubs.scoring.ScoreTransaction(request, wait_for_ready=True, timeout=400).score


def calls(stubs: Stubs) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yields calls of all kinds, to all services."""
    yield "unary", lambda: stubs.scoring.ScoreTransaction(unary(transaction()))
    yield "stream", lambda: list(stubs.scoring.ScoreStream(iter([frame(transaction())])))
    backfill = history_service_pb2.BackfillRequest(transactions=[transaction()])
    yield "requests", lambda: stubs.history.Backfill(iter([backfill]))
    yield "outcomes", lambda: stubs.outcomes.ReportOutcomes(outcome_service_pb2.ReportOutcomesRequest())
    yield "models", lambda: stubs.models.ListModels(model_service_pb2.ListModelsRequest())
    reflection = reflection_pb2_grpc.ServerReflectionStub(stubs.channel)
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    yield "reflection", lambda: list(reflection.ServerReflectionInfo(iter([asked])))
    yield "no method", lambda: stubs.channel.unary_unary("/of.nobody/Nothing")(b"")


def watched(stubs: Stubs, states: queue.Queue[str]) -> None:
    """Tells the states of a server one after the other, on as many streams as it takes, until it serves."""
    while True:
        try:
            for answer in stubs.health.Watch(health_pb2.HealthCheckRequest(), wait_for_ready=True):
                states.put(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))
                if answer.status == health_pb2.HealthCheckResponse.SERVING:
                    return
        except grpc.RpcError as error:
            states.put(error.code().name)


def scored_again_and_again(stubs: Stubs, codes: set[str]) -> Any:
    """Returns the first score that is given; codes: those of the calls before it."""
    while True:
        try:
            return scored(stubs)
        except grpc.RpcError as error:
            codes.add(error.code().name)


def taken_over(running: Held, stubs: Stubs) -> None:
    """Lets the server go while health is watched and scores are asked for."""
    states: queue.Queue[str] = queue.Queue()
    watching = threading.Thread(target=watched, args=(stubs, states))
    watching.start()
    assert states.get(timeout=400) == "NOT_SERVING"
    running.let_go()
    codes: set[str] = set()
    assert scored_again_and_again(stubs, codes).replayed  # the history has it
    assert codes <= {"UNAVAILABLE"}
    watching.join(400)
    seen = list(states.queue)
    assert seen[-1] == "SERVING"
    assert set(seen) <= {"NOT_SERVING", "UNAVAILABLE", "SERVING"}
    assert stubs.health_of() == "SERVING"


@pytest.mark.parametrize("workers", [1, 2])
def test_health_does_not_serve_and_calls_are_told_that_the_server_is_starting(
    tmp_path: Path, journaled: tuple[str, ...], workers: int
) -> None:
    with (
        held(tmp_path, journaled, workers=workers) as running,
        stubs_for(running.address) as stubs,
    ):
        assert [stubs.health_of(service) for service in SERVICES] == ["NOT_SERVING"] * len(SERVICES)
        every = stubs.health.List(health_pb2.HealthListRequest()).statuses
        assert {answer.status for answer in every.values()} == {health_pb2.HealthCheckResponse.NOT_SERVING}
        with pytest.raises(grpc.RpcError, match="no such service"):
            stubs.health_of("of.nobody")
        for kind, call in calls(stubs):
            with pytest.raises(grpc.RpcError) as caught:
                call()
            told = failure(caught.value)
            assert (told.code, told.reason, told.retried) == (14, "HISTORY_UNAVAILABLE", True), kind
            assert "is starting: it brings its history up to date" in told.message
        taken_over(running, stubs)
        address = running.server.address
        assert address == running.address
        assert len(children(running.server.pid)) <= workers + 1  # what tries models, and no stand-in
        assert running.server.end() == 0


def test_it_says_so_with_the_certificate_of_the_server(tmp_path: Path, journaled: tuple[str, ...]) -> None:
    authority = Authority()
    certificate, key = authority.server().write(tmp_path, "server")
    settings = tmp_path / "server.toml"
    settings.write_text(f'[tls]\ncertificate = "{certificate}"\nkey = "{key}"\n')
    trusted = grpc.ssl_channel_credentials(authority.certificate)
    with held(tmp_path, (*journaled, "--config", str(settings))) as running:
        address = re.sub("^.*:", "localhost:", running.address)
        with stubs_for(address, trusted) as stubs:
            assert stubs.health_of() == "NOT_SERVING"
            taken_over(running, stubs)
        assert running.server.end() == 0


def test_it_says_so_at_a_socket_file_and_leaves_it_to_the_server(
    tmp_path: Path, journaled: tuple[str, ...]
) -> None:
    listen = f"unix:{tmp_path}/server.sock"
    with held(tmp_path, journaled, listen=listen) as running, stubs_for(running.address) as stubs:
        assert stubs.health_of() == "NOT_SERVING"
        taken_over(running, stubs)
        assert (tmp_path / "server.sock").exists()
        assert running.server.end() == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_a_signal_ends_a_server_that_makes_its_history_anew(
    tmp_path: Path, journaled: tuple[str, ...], workers: int
) -> None:
    with held(tmp_path, journaled, workers=workers) as running:
        assert running.address
        processes = children(running.server.pid)
        assert running.server.end(signal.SIGTERM) == 0
        assert running.server.wrote("server stopped, before it served")
        wait_for_end(processes)
    with ServerProcess(*journaled, workers=workers) as server, stubs_for(server.address) as stubs:
        assert scored(stubs).replayed
        assert server.end() == 0


def test_nothing_answers_for_a_server_that_was_killed(tmp_path: Path, journaled: tuple[str, ...]) -> None:
    with held(tmp_path, journaled) as running:
        assert running.address
        processes = children(running.server.pid)
        assert processes
        running.server.end(signal.SIGKILL)
        wait_for_end(processes)


def test_a_port_that_another_has_ends_the_start(tmp_path: Path, journaled: tuple[str, ...]) -> None:
    with (
        held(tmp_path, journaled) as first,
        stubs_for(first.address),
    ):
        other = ("--registry", journaled[1], "--journal", str(tmp_path / "other"))
        with ServerProcess(*other, listen=first.address) as server:
            assert server.wait() == 2
            assert server.wrote("cannot listen on", first.address)
