"""`python -m bench.serving.streams`: what idle streams cost single calls, what cancelled ones leave behind.

Single calls with 32 in flight are measured with and without idle streams beside them, in turn. Then
thousands of streams are opened, sent a frame and cancelled; the server's memory is read before and after.
Each single call has a transaction of its own. All streams send one, so that memory of the history stays out.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Annotated

import grpc
import typer

from bench.load import closed
from bench.load.bodies import Supply
from bench.load.h2load import LoadError
from bench.load.workload import grpc_frames, prepare
from bench.measuring.processes import rss_bytes
from bench.measuring.programs import LOAD_CORE, STREAM, UNARY, running
from bench.measuring.report import Sheet, median_ratio, write

_WORK = Path("bench/work")
_PREPARED = 20_000
_PREFIX = 5  # bytes of gRPC in front of a message
_AT_ONCE = 100  # streams between two looks at whether their ends have come


def _opening(channel: grpc.Channel) -> grpc.StreamStreamMultiCallable[bytes, bytes]:
    return channel.stream_stream(f"/{STREAM}")


@contextmanager
def idle(address: str, count: int, frame: bytes) -> Iterator[None]:
    """Holds so many streams open while the block lasts; each has had an answer to one frame."""
    ended = threading.Event()

    def frames() -> Iterator[bytes]:
        yield frame
        ended.wait()

    with grpc.insecure_channel(address) as channel:
        open_stream = _opening(channel)
        answers = [open_stream(frames()) for _ in range(count)]
        for each in answers:
            next(each)
        try:
            yield
        finally:
            ended.set()
            for each in answers:
                list(each)


def cancel(address: str, count: int, frame: bytes) -> None:
    """Opens streams, sends each a frame, and cancels it: every other one before its answer has come."""
    with grpc.insecure_channel(address) as channel:
        open_stream = _opening(channel)
        for first in range(0, count, _AT_ONCE):
            answers = []
            for number in range(first, min(first + _AT_ONCE, count)):
                answers.append(open_stream(iter([frame])))
                if number % 2:
                    next(answers[-1])
                answers[-1].cancel()
            for each in answers:
                each.code()  # waits for the end


def main(
    streams: Annotated[int, typer.Option(help="Idle streams.")] = 300,
    cancelled: Annotated[int, typer.Option(help="Streams that are cancelled.")] = 10_000,
    rounds: Annotated[int, typer.Option(help="Rounds, with and without idle streams in turn.")] = 8,
    requests: Annotated[int, typer.Option(help="Single calls of a measurement.")] = 20_000,
) -> None:
    """Measures, shows and writes."""
    rates: dict[str, list[float]] = {"without": [], "with": []}
    try:
        workload = prepare(_WORK / "streams", _PREPARED, 10_000)
        most = str(2 * max(streams, _AT_ONCE))  # all on one connection, of one caller
        settings = {"limits.max_streams_per_connection": most, "limits.max_streams_per_caller": most}
        with running(workload, settings=settings) as ran:
            supply = Supply(workload)
            frame = grpc_frames(supply.take(1), 1)[_PREFIX:]

            def measure(case: str) -> None:
                bodies = supply.write_singles(_WORK / "streams.bin", requests)
                load = closed.run(ran.address, UNARY, bodies, requests=requests, in_flight=32, core=LOAD_CORE)
                rates[case].append(load.per_second)

            for _ in range(rounds):
                measure("without")
                with idle(ran.address, streams, frame):
                    measure("with")
            cancel(ran.address, cancelled // 5, frame)  # pools fill
            before = rss_bytes(ran.pid)
            cancel(ran.address, cancelled, frame)
            after = rss_bytes(ran.pid)
    except LoadError as error:
        sys.exit(f"bench stopped: {error}")
    figures = {
        "without_per_s": median(rates["without"]),
        "with_per_s": median(rates["with"]),
        "ratio": median_ratio(rates["with"], rates["without"]),
        "rss_before_mib": before / 2**20,
        "rss_after_mib": after / 2**20,
    }
    rows: list[tuple[str, ...]] = [
        ("single calls, 32 in flight", f"{figures['without_per_s']:,.0f}/s", ""),
        (f"beside {streams} idle streams", f"{figures['with_per_s']:,.0f}/s", f"{figures['ratio']:.2f}"),
        ("memory before", f"{figures['rss_before_mib']:.1f} MiB", ""),
        (
            f"after {cancelled:,} cancelled streams",
            f"{figures['rss_after_mib']:.1f} MiB",
            f"{after / before:.3f}",
        ),
    ]
    write("streams", figures, Sheet("Idle and cancelled streams", ("", "measured", "ratio"), rows))


if __name__ == "__main__":
    typer.run(main)
