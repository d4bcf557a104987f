"""`python -m bench.serving.workers`: one worker on one core and two on two, which the load must share.

Two views, both reported:

- single calls offered at one rate to a server of one worker and to one of two: seconds of processor time a
  transaction, from /proc. Cores of their own would do cores / seconds a second; what waits for a lock
  without working is not in it;
- several streams at once in large frames, where the load takes little: transactions a second as they are,
  and the share of the two cores that the load took.
"""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median
from typing import Annotated

import typer

from bench.load.bodies import fresh, write_singles
from bench.load.h2load import LoadError, require_h2load
from bench.load.openloop import offer
from bench.load.workload import Workload, grpc_frames, prepare
from bench.measuring.processes import cpu_seconds
from bench.measuring.programs import LOAD_CORE, SERVER_CORE, STREAM, UNARY, Running, running
from bench.measuring.report import Sheet, median_ratio, write

_WORK = Path("bench/work")
_CORES = (SERVER_CORE, LOAD_CORE)
_WORKERS = (1, 2)
_STREAMS = 8
_FRAMES = (64, 512)
_CONNECTIONS = 16
_PREPARED = 60_000


@dataclass(frozen=True, slots=True)
class _Measured:
    """Processor time of the server and of the load, time that passed, share of the busiest worker."""

    server_s: float
    load_s: float
    seconds: float
    busiest: float


def _cost(before: dict[int, float], after: dict[int, float]) -> tuple[float, float]:
    """Returns the processor time in all, and the share of the process that took most of it."""
    taken = [seconds - before.get(process, 0.0) for process, seconds in after.items()]
    return sum(taken), max(taken) / max(sum(taken), 1e-9)


def _children_s() -> float:
    used = getrusage(RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _streams(ran: Running, bodies: list[Path]) -> _Measured:
    """Sends all streams at once, each over a connection and from a process of its own."""
    headers = ("-H", "content-type: application/grpc", "-H", "te: trailers")
    windows = ("-n", "1", "-c", "1", "-m", "1", "-w", "24", "-W", "24")
    before, load_before, began = cpu_seconds(ran.pid), _children_s(), time.perf_counter()
    senders = [
        subprocess.Popen(
            ["h2load", *windows, "-d", str(body), *headers, f"http://{ran.address}/{STREAM}"],
            stdout=subprocess.PIPE,
            text=True,
        )
        for body in bodies
    ]
    said = [sender.communicate()[0] for sender in senders]
    seconds = time.perf_counter() - began
    if any("1 succeeded" not in text for text in said):
        raise LoadError(f"a stream failed: {said[0][-500:]}")
    server_s, busiest = _cost(before, cpu_seconds(ran.pid))
    return _Measured(server_s, _children_s() - load_before, seconds, busiest)


def _singles(ran: Running, bodies: Path, rate: float, seconds: float) -> _Measured:
    before = cpu_seconds(ran.pid)
    load = offer(
        ran.address,
        UNARY,
        bodies,
        first=0,
        rate=rate,
        seconds=seconds,
        core=LOAD_CORE,
        connections=_CONNECTIONS,
    )
    if load.refused:
        raise LoadError(f"{load.refused} calls were refused at {rate:.0f}/s: offer less with --rate")
    server_s, busiest = _cost(before, cpu_seconds(ran.pid))
    return _Measured(server_s / len(load.due), 0.0, seconds, busiest)


def _stream_bodies(workload: Workload, taken: int, frame: int, each: int) -> list[Path]:
    paths = []
    for stream in range(_STREAMS):
        paths.append(_WORK / f"workers.{stream}.bin")
        paths[-1].write_bytes(grpc_frames(fresh(workload, taken + stream * each, each), frame))
    return paths


def _figures(measured: dict[tuple[str, int], list[_Measured]], transactions: int) -> dict[str, float]:
    figures = {}
    for workers in _WORKERS:
        singles = measured["unary", workers]
        figures[f"unary_{workers}_cpu_us"] = median(one.server_s for one in singles) * 1e6
        figures[f"unary_{workers}_busiest"] = median(one.busiest for one in singles)
        for frame in _FRAMES:
            rounds, case = measured[f"stream_{frame}", workers], f"stream_{frame}_{workers}"
            figures[f"{case}_tx_per_s"] = median(transactions / one.seconds for one in rounds)
            figures[f"{case}_cpu_us"] = median(one.server_s / transactions for one in rounds) * 1e6
            figures[f"{case}_load_cores"] = median(one.load_s / one.seconds for one in rounds)
            figures[f"{case}_busiest"] = median(one.busiest for one in rounds)
    cpu = [[one.server_s for one in measured["unary", workers]] for workers in _WORKERS]
    figures["unary_capacity_ratio"] = 2 * median_ratio(cpu[0], cpu[1])
    for frame in _FRAMES:
        seconds = [[one.seconds for one in measured[f"stream_{frame}", workers]] for workers in _WORKERS]
        figures[f"stream_{frame}_ratio"] = median_ratio(seconds[0], seconds[1])
        cpu = [[one.server_s for one in measured[f"stream_{frame}", workers]] for workers in _WORKERS]
        figures[f"stream_{frame}_capacity_ratio"] = 2 * median_ratio(cpu[0], cpu[1])
    return figures


def _sheet(figures: dict[str, float]) -> Sheet:
    headings = ("", "1 worker", "2 workers", "2 to 1 as measured", "2 to 1 by processor time")
    one, two = (f"{figures[f'unary_{workers}_cpu_us']:.0f} µs of a core each" for workers in _WORKERS)
    rows: list[tuple[str, ...]] = [
        ("single calls at one rate", one, two, "", f"{figures['unary_capacity_ratio']:.2f}")
    ]
    for frame in _FRAMES:
        rates = (
            f"{figures[f'stream_{frame}_{workers}_tx_per_s']:,.0f} tx/s,"
            f" load {figures[f'stream_{frame}_{workers}_load_cores']:.2f} cores"
            for workers in _WORKERS
        )
        ratio, capacity = figures[f"stream_{frame}_ratio"], figures[f"stream_{frame}_capacity_ratio"]
        rows.append((f"{_STREAMS} streams, frames of {frame}", *rates, f"{ratio:.2f}", f"{capacity:.2f}"))
    return Sheet("One worker on one core, and two on two beside the load", headings, rows)


def main(
    rate: Annotated[float, typer.Option(help="Single calls offered a second.")] = 1_500.0,
    seconds: Annotated[float, typer.Option(help="Length of each measurement of single calls.")] = 4.0,
    rounds: Annotated[int, typer.Option(help="Rounds, one worker and two in turn.")] = 4,
    each: Annotated[int, typer.Option(help="Transactions of a stream.")] = 16_384,
) -> None:
    """Measures, shows and writes."""
    measured: dict[tuple[str, int], list[_Measured]] = {}
    try:
        require_h2load()
        workload = prepare(_WORK / "workers", _PREPARED, 10_000)
        one, two = ({"workers": str(workers)} for workers in _WORKERS)
        with (
            running(workload, cores=(SERVER_CORE,), settings=one) as first,
            running(workload, cores=_CORES, settings=two) as second,
        ):
            taken = 0
            for _ in range(rounds):
                count = int(rate * seconds) + 1
                bodies = write_singles(_WORK / "workers.bin", fresh(workload, taken, count))
                taken += count
                for workers, ran in ((1, first), (2, second)):
                    single = _singles(ran, bodies, rate, seconds)
                    measured.setdefault(("unary", workers), []).append(single)
                for frame in _FRAMES:
                    streams = _stream_bodies(workload, taken, frame, each)
                    taken += _STREAMS * each
                    for workers, ran in ((1, first), (2, second)):
                        measured.setdefault((f"stream_{frame}", workers), []).append(_streams(ran, streams))
    except LoadError as error:
        sys.exit(f"bench stopped: {error}")
    figures = _figures(measured, _STREAMS * each)
    write("workers", figures, _sheet(figures))


if __name__ == "__main__":
    typer.run(main)
