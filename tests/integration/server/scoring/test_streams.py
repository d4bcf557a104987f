"""Streams as callers see them: no thread for each, nothing read far ahead, an end whenever it comes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from kuntur.api.v1 import scoring_service_pb2
from server.state import RegionHistory
from tests.support.bundles import publish
from tests.support.open_stream import OpenStream
from tests.support.serving import RunningServer, failure, frame, running_server, transaction, wait_until

_MANY = 200
_LARGE = 400  # transactions of a frame that takes long


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("streams") / "registry"
    publish(directory, "m-1")
    return directory


@pytest.fixture
def server(registry: Path) -> Iterator[RunningServer]:
    with running_server(registry, limits={"max_streams_per_connection": _MANY + 10}) as running:
        running.wait_until_live("m-1")
        yield running


def test_idle_streams_hold_no_threads(server: RunningServer) -> None:
    before = threading.active_count()
    streams = [OpenStream(server) for _ in range(_MANY)]
    for number, stream in enumerate(streams):
        stream.put(f"t-{number}")
    assert [stream.answer() for stream in streams] == [[f"t-{number}"] for number in range(_MANY)]
    assert server.app.admission.streams.inside == _MANY
    # In this process each stream of the client has one thread that sends, and maybe one that waits.
    assert threading.active_count() - before <= 2 * _MANY + 4
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith("streams")]
    for stream in streams:
        stream.close()
    for stream in streams:
        assert list(stream.answers) == []
    wait_until(lambda: server.app.admission.streams.inside == 0)


def test_frames_sent_at_once_are_answered_in_order_and_all_before_the_end(server: RunningServer) -> None:
    stream = OpenStream(server)
    sizes = [1, 3, _LARGE, 1, 40, _LARGE, 2]
    ids = [[f"t-{number}-{place}" for place in range(size)] for number, size in enumerate(sizes)]
    for each in ids:
        stream.put(*each)
    stream.close()
    assert [[result.score.transaction_id for result in answer.results] for answer in stream.answers] == ids
    assert server.app.history.counts().recent_transactions == sum(sizes)


def test_a_stream_without_a_frame_ends_well(server: RunningServer) -> None:
    stream = OpenStream(server)
    stream.close()
    assert list(stream.answers) == []


def test_a_caller_that_never_reads_is_not_worked_for_without_end(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached = threading.Event()
    taken: list[int] = []
    admit = RegionHistory.admit

    def count(self: RegionHistory, batch: Any, *arguments: Any, **options: Any) -> Any:
        taken.append(len(batch))
        if len(taken) >= 3:
            reached.set()
        return admit(self, batch, *arguments, **options)

    monkeypatch.setattr(RegionHistory, "admit", count)
    stream = OpenStream(server)
    # A long id stands in each answer: a few dozen fill what gRPC buffers between the two.
    frames = 3_000
    for number in range(frames):
        stream.put(*(f"{number:06d}-{place:02d}-{'x' * 100}" for place in range(32)))
    assert reached.wait(60)
    # Others are served meanwhile, long enough for a stream without bounds to run through.
    other = OpenStream(server)
    for number in range(500):
        other.put(f"other-{number}")
        other.answer()
    assert taken.count(32) < frames / 2
    stream.answers.cancel()
    wait_until(lambda: server.app.admission.streams.inside == 1)


@pytest.mark.parametrize("size", [1, _LARGE])
def test_streams_that_are_cancelled_at_work_give_their_place_back(server: RunningServer, size: int) -> None:
    for number in range(50):
        stream = OpenStream(server)
        stream.put(*(f"t-{size}-{number}-{place}" for place in range(size)))
        if number % 2:
            stream.answer()
            stream.put(*(f"u-{size}-{number}-{place}" for place in range(size)))
        stream.answers.cancel()
    wait_until(lambda: server.app.admission.streams.inside == 0)
    after = OpenStream(server)
    after.put("after")
    assert after.answer() == ["after"]


def test_an_idle_stream_is_told_when_its_time_is_over(registry: Path) -> None:
    with running_server(registry, limits={"max_stream_lifetime_s": 0.05}) as server:
        server.wait_until_live("m-1")
        stream = OpenStream(server)
        with pytest.raises(grpc.RpcError) as caught:
            next(stream.answers)
        assert failure(caught.value).reason == "STREAM_EXPIRED"
        wait_until(lambda: server.app.admission.streams.inside == 0)


def test_a_server_that_goes_down_tells_its_idle_streams(registry: Path) -> None:
    with running_server(registry) as server:
        server.wait_until_live("m-1")
        streams = [OpenStream(server) for _ in range(20)]
        for number, stream in enumerate(streams):
            stream.put(f"t-{number}")
            stream.answer()
        server.app.stop()
        for stream in streams:
            with pytest.raises(grpc.RpcError) as caught:
                next(stream.answers)
            assert failure(caught.value).reason == "SHUTTING_DOWN"


def test_a_frame_that_is_no_message_ends_its_stream_alone(server: RunningServer) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{server.app.port}") as channel:
        answers = channel.stream_stream("/kuntur.api.v1.ScoringService/ScoreStream")(iter([b"\xff\xff"]))
        with pytest.raises(grpc.RpcError) as caught:
            next(answers)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        good = channel.stream_stream("/kuntur.api.v1.ScoringService/ScoreStream")(
            iter([frame(transaction("t-1")).SerializeToString()])
        )
        answer = scoring_service_pb2.ScoreStreamResponse.FromString(next(good))
        assert answer.results[0].score.transaction_id == "t-1"
