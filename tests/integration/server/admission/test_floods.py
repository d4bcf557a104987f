"""What callers cost that send much for little, or do not read: a bound, on both transports."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest

from kuntur.api.v1 import outcome_pb2, outcome_service_pb2
from server.rpc.admission.compression import Unpacking
from server.state import RegionHistory
from tests.support.bundles import publish_constant
from tests.support.http2 import HandwrittenCaller
from tests.support.programs.server_process import ServerProcess
from tests.support.serving import (
    RunningServer,
    Stubs,
    failure,
    frame,
    running_server,
    stubs_for,
    transaction,
    unary,
    wait_until,
)

_SCORE = "/kuntur.api.v1.ScoringService/ScoreTransaction"
_STREAM = "/kuntur.api.v1.ScoringService/ScoreStream"
_BACKFILL = "/kuntur.api.v1.HistoryService/Backfill"
_MIB = 1 << 20
_STRANGER = "127.0.0.2"  # another caller than the client of the tests
_MOST_UNREAD = 2 * _MIB


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("floods") / "registry"
    publish_constant(directory, "m-1", 0.1)
    return directory


@pytest.fixture(scope="module", params=["fast", "plain"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def server(registry: Path, transport: str) -> Iterator[RunningServer]:
    limits = {"max_unread_bytes": _MOST_UNREAD, "max_connections": 8}
    with running_server(registry, limits=limits, rpc={"transport": transport}) as running:
        running.wait_until_live("m-1")
        yield running


def held(server: RunningServer, kind: str) -> float:
    """Returns how many bytes a server says it holds."""
    value = server.app.metrics.registry.get_sample_value("kuntur_rpc_held_bytes", {"kind": kind})
    assert value is not None
    return value


def answers_others(stubs: Stubs, count: int = 20) -> None:
    """Has another caller ask for scores of both kinds."""
    for number in range(count):
        assert stubs.scoring.ScoreTransaction(unary(transaction(f"other-{number}"))).score.transaction_id
        assert len(list(stubs.scoring.ScoreStream(iter([frame(transaction(f"other-s-{number}"))])))) == 1


def memory_of(pid: int, key: str) -> int:
    """Returns the bytes that /proc says of a process: VmRSS, or VmHWM for the most it ever had."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith(key)]
    return int(line.split()[1]) << 10


def test_floods_of_compressed_and_unread_frames_take_little_memory_and_give_it_back(
    registry: Path, transport: str, tmp_path: Path
) -> None:
    config = tmp_path / "server.toml"
    config.write_text(f'[rpc]\ntransport = "{transport}"\n[limits]\nmax_unread_bytes = {8 * _MIB}\n')
    bomb = gzip.compress(bytes(7 * _MIB))
    many = frame(*(transaction(f"t-{number}") for number in range(2000))).SerializeToString()
    arguments = ("--config", str(config), "--registry", str(registry))
    with ServerProcess(*arguments) as server, stubs_for(server.address) as stubs, ExitStack() as callers:
        wait_until(lambda: server.wrote("model is live"))
        answers_others(stubs)
        before = memory_of(server.pid, "VmRSS")
        for method in (_SCORE, _STREAM, _BACKFILL):
            caller = callers.enter_context(HandwrittenCaller(server.address, source=_STRANGER))
            for _ in range(32):
                caller.call(method, bomb, gzipped=True)
            answers_others(stubs)
            assert caller.wait_until_ended(32)
        # Decompressed they were 3 times 224 MiB.
        assert memory_of(server.pid, "VmHWM") - before < 160 * _MIB
        for _ in range(4):
            caller = callers.enter_context(HandwrittenCaller(server.address, window=0, source=_STRANGER))
            for _ in range(32):
                caller.call(_STREAM, many, half_close=False)
            assert caller.wait_until_sent()
            answers_others(stubs)
        callers.close()
        answers_others(stubs)
        # The plain transport keeps the threads that it has made, and what glibc keeps for each.
        kept = 64 * _MIB if transport == "fast" else 192 * _MIB
        wait_until(lambda: memory_of(server.pid, "VmRSS") - before < kept)
        assert memory_of(server.pid, "VmHWM") - before < 192 * _MIB


def test_as_many_requests_are_decompressed_at_a_time_as_may_be_and_refused_beyond_their_size(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_work: list[int] = []
    most = 0
    message = Unpacking.message

    def count(self: Unpacking, raw: bytes) -> bytes:
        nonlocal most
        at_work.append(1)
        most = max(most, len(at_work))
        try:
            return message(self, raw)
        finally:
            at_work.pop()

    monkeypatch.setattr(Unpacking, "message", count)
    too_large = gzip.compress(bytes(9 * _MIB))
    with HandwrittenCaller(server.address, source=_STRANGER) as caller:
        for method in (_SCORE, _STREAM, _BACKFILL) * 20:
            caller.call(method, too_large, gzipped=True)
        answers_others(server.stubs, 5)
        assert caller.wait_until_ended(60)
    wait_until(lambda: held(server, "requests") == 0)
    if server.app.settings.rpc.transport == "fast":  # the plain one asks for those that are not packed, too
        assert 1 <= most <= server.app.admission.unpacking.at_a_time


def test_unary_answers_that_are_not_read_are_ended_in_time_and_others_are_answered(
    server: RunningServer,
) -> None:
    request = unary(transaction("unread")).SerializeToString()
    with ExitStack() as callers:
        rude = []
        for _ in range(4):
            caller = callers.enter_context(HandwrittenCaller(server.address, window=0, source=_STRANGER))
            for _ in range(64):
                caller.call(_SCORE, request)
            rude.append(caller)
        answers_others(server.stubs)
        for caller in rude:
            assert caller.wait_until_ended(64)
    wait_until(lambda: held(server, "answers") == 0 and server.app.admission.unary.inside == 0)


def test_frames_whose_answers_are_not_read_are_bounded_in_all_and_others_are_answered(
    server: RunningServer,
) -> None:
    many = frame(*(transaction(f"t-{number}") for number in range(1000))).SerializeToString()
    with ExitStack() as callers:
        rude = [
            callers.enter_context(HandwrittenCaller(server.address, window=0, source=_STRANGER))
            for _ in range(4)
        ]
        for caller in rude:
            for _ in range(32):
                caller.call(_STREAM, many, half_close=False)
            assert caller.wait_until_sent()
            answers_others(server.stubs, 3)
        # Each answer has about 40 kB, so there were more than twice as many as may be.
        wait_until(lambda: _ended(rude) > 0 and held(server, "answers") <= _MOST_UNREAD)
        answers_others(server.stubs, 3)
        assert len(_still_open(rude)) > 0
    wait_until(lambda: held(server, "answers") == 0 and server.app.admission.streams.inside == 0)


def _ended(callers: list[HandwrittenCaller]) -> int:
    for caller in callers:
        caller.go_on(0.0)
    return sum(len(caller.ended) for caller in callers)


def _still_open(callers: list[HandwrittenCaller]) -> list[HandwrittenCaller]:
    return [caller for caller in callers if len(caller.ended) < 32]


def test_a_connection_that_does_not_read_has_a_share_of_the_answers(server: RunningServer) -> None:
    many = frame(*(transaction(f"t-{number}") for number in range(1000))).SerializeToString()
    with HandwrittenCaller(server.address, window=0, source=_STRANGER) as caller:
        for _ in range(30):
            caller.call(_STREAM, many, half_close=False)
        assert caller.wait_until_sent()
        wait_until(lambda: _ended([caller]) > 0 and held(server, "answers") <= _MOST_UNREAD / 4)
        answers_others(server.stubs, 3)
    wait_until(lambda: held(server, "answers") == 0)


def test_a_connection_is_told_how_many_streams_it_may_have_and_one_too_many_is_closed(
    server: RunningServer,
) -> None:
    answers_others(server.stubs, 1)  # by a connection of its own
    with ExitStack() as callers:
        inside: list[HandwrittenCaller] = []
        while len(inside) < 7:  # what the test before has closed may be counted for a moment
            caller = callers.enter_context(HandwrittenCaller(server.address))
            wait_until(lambda caller=caller: caller.go_on(0.01) or caller.most_streams or caller.closed)  # type: ignore[misc]
            if not caller.closed:
                inside.append(caller)
        assert {caller.most_streams for caller in inside} == {64}
        beyond = callers.enter_context(HandwrittenCaller(server.address))
        wait_until(lambda: beyond.go_on(0.01) or beyond.closed)
        assert not any(caller.closed for caller in inside)
        answers_others(server.stubs, 3)


def test_requests_beyond_the_bytes_are_refused_and_answered_once_there_is_room(
    registry: Path, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    passing = threading.Event()
    passing.set()  # for the warm-up
    report = RegionHistory.admit_outcomes

    def wait(self: RegionHistory, *arguments: Any) -> Any:
        assert passing.wait(60)
        return report(self, *arguments)

    monkeypatch.setattr(RegionHistory, "admit_outcomes", wait)
    outcomes = [
        outcome_pb2.Outcome(transaction_id=f"{number:0100}", label=outcome_pb2.OUTCOME_LABEL_FRAUD)
        for number in range(3000)
    ]
    request = outcome_service_pb2.ReportOutcomesRequest(outcomes=outcomes)
    for outcome in request.outcomes:
        outcome.reported_time.CopyFrom(transaction().event_time)
    fit = _MIB // request.ByteSize()
    assert fit > 1
    limits = {"max_held_bytes": _MIB}
    with running_server(registry, limits=limits, rpc={"transport": transport}) as server:
        server.wait_until_live("m-1")
        passing.clear()
        call = server.stubs.outcomes.ReportOutcomes
        kept = [call.future(request) for _ in range(fit)]
        wait_until(lambda: held(server, "requests") == fit * request.ByteSize())
        refused = [failure(call.future(request).exception()) for _ in range(3)]
        assert {(one.code, one.reason, one.retried) for one in refused} == {(8, "OVERLOADED", True)}
        assert refused[0].metadata["resource"] == "bytes of requests"
        answers_others(server.stubs, 3)
        passing.set()
        assert all(one.result() for one in kept)
        assert call(request)
        wait_until(lambda: held(server, "requests") == 0)


def test_frames_beyond_the_bytes_end_their_stream_and_the_others_are_answered(
    registry: Path, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    passing = threading.Event()
    passing.set()  # for the warm-up
    admit = RegionHistory.admit

    def wait(self: RegionHistory, batch: Any, *arguments: Any, **options: Any) -> Any:
        if len(batch) > 1:
            assert passing.wait(60)
        return admit(self, batch, *arguments, **options)

    monkeypatch.setattr(RegionHistory, "admit", wait)
    monkeypatch.setattr(RegionHistory, "remote", True)  # as it keeps its callers waiting
    many = frame(*(transaction(f"{number:0120}") for number in range(2000)))
    assert many.ByteSize() > _MIB / 4
    limits = {"max_held_bytes": _MIB}
    with running_server(registry, limits=limits, rpc={"transport": transport}) as server:
        server.wait_until_live("m-1")
        passing.clear()
        streams = [server.stubs.scoring.ScoreStream(iter([many])) for _ in range(20)]
        wait_until(lambda: any(stream.done() for stream in streams))
        assert held(server, "requests") <= _MIB
        answer = server.stubs.scoring.ScoreTransaction(unary(transaction("other")))
        assert answer.score.transaction_id == "other"
        passing.set()
        results = [_results(stream) for stream in streams]
        assert 2 <= results.count("answered") < len(streams)
        assert set(results) == {"answered", "OVERLOADED"}
        wait_until(lambda: held(server, "requests") == 0)


def _results(stream: Any) -> str:
    """Returns what became of a stream of one frame."""
    try:
        (answer,) = stream
    except grpc.RpcError as error:
        return failure(error).reason
    return "answered" if len(answer.results) == 2000 else "cut short"
