"""Unary calls as the polling thread takes them: whatever a caller does, its place is given back."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from kuntur.api.v1 import scoring_service_pb2
from server.journal import SharedJournal
from server.state import RegionHistory
from tests.support.bundles import publish
from tests.support.serving import RunningServer, running_server, transaction, unary, wait_until

_METHOD = "/kuntur.api.v1.ScoringService/ScoreTransaction"
_NAMES = ("calls", "streams")  # of the threads that work for callers start with these


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("unary") / "registry"
    publish(directory, "m-1")
    return directory


@pytest.fixture
def server(registry: Path) -> Iterator[RunningServer]:
    with running_server(registry, limits={"max_unary_in_flight": 20}) as running:
        running.wait_until_live("m-1")
        yield running


@pytest.fixture
def channel(server: RunningServer) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{server.app.port}") as channel:
        yield channel


def _inside(server: RunningServer) -> int:
    return server.app.admission.unary.inside


def _threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(_NAMES)]


def _scored(server: RunningServer, name: str) -> bool:
    answer = server.stubs.scoring.ScoreTransaction(unary(transaction(name)))
    return bool(answer.score.transaction_id == name)


def test_a_call_without_a_request_ends_with_an_error_and_leaves_its_place(
    server: RunningServer, channel: grpc.Channel
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        channel.stream_unary(_METHOD)(iter(()))
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    wait_until(lambda: _inside(server) == 0)


def test_senders_that_take_their_time_hold_no_thread_and_can_be_cancelled(
    server: RunningServer, channel: grpc.Channel
) -> None:
    before = _threads()
    slow: list[queue.Queue[Any]] = [queue.Queue() for _ in range(19)]
    calls = [channel.stream_unary(_METHOD).future(iter(each.get, None)) for each in slow]
    assert all(_scored(server, f"beside-{number}") for number in range(10))
    assert _threads() == before
    wait_until(lambda: _inside(server) == 0)  # a place is taken only by what has come
    slow[0].put(unary(transaction("late")).SerializeToString())
    slow[0].put(None)
    answer = scoring_service_pb2.ScoreTransactionResponse.FromString(calls[0].result())
    assert answer.score.transaction_id == "late"
    for call in calls:
        call.cancel()
    wait_until(lambda: _inside(server) == 0)
    for each in slow:
        each.put(None)


def test_hundreds_of_calls_at_once_are_answered_each_with_its_own(registry: Path) -> None:
    with running_server(registry, limits={"max_unary_in_flight": 400}) as server:
        server.wait_until_live("m-1")
        call = server.stubs.scoring.ScoreTransaction
        calls = {f"t-{number}": call.future(unary(transaction(f"t-{number}"))) for number in range(300)}
        assert {name: one.result().score.transaction_id for name, one in calls.items()} == {
            name: name for name in calls
        }
        wait_until(lambda: _inside(server) == 0)


def test_what_has_to_wait_is_waited_for_by_threads(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    admit = RegionHistory.admit

    def note(self: RegionHistory, batch: Any, *arguments: Any, **options: Any) -> Any:
        seen.append(threading.current_thread().name)
        return admit(self, batch, *arguments, **options)

    monkeypatch.setattr(RegionHistory, "admit", note)
    assert _scored(server, "here")
    monkeypatch.setattr(RegionHistory, "remote", True)
    assert _scored(server, "elsewhere")
    assert seen == ["polling", "calls 0"]


def test_a_journal_that_is_behind_keeps_the_polling_thread_free(
    registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SharedJournal, "behind", True)
    with running_server(registry, journal={"path": tmp_path / "journal"}) as server:
        server.wait_until_live("m-1")
        assert _scored(server, "t-1")
        assert "calls 0" in _threads()


def test_a_message_that_is_too_large_is_refused_and_leaves_its_place(registry: Path, tmp_path: Path) -> None:
    with running_server(registry, limits={"max_message_bytes": 4096}) as server:
        server.wait_until_live("m-1")
        large = transaction("large", attributes={f"a_{n}": 1.0 for n in range(1000)})
        with pytest.raises(grpc.RpcError) as caught:
            server.stubs.scoring.ScoreTransaction(unary(large))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        wait_until(lambda: _inside(server) == 0)
        assert _scored(server, "after")
