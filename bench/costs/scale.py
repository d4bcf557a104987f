"""`python -m bench.costs.scale`: ten million accounts beside ten thousand.

Two servers take turns on one core, each on a history in a file that was made before. Every transaction of
the load is one of anybody, all as probable, so that no cache helps the large one. No reasons are asked for:
to the model most of these transactions are odd, of some populations more than of others. The files are in a
file system in memory (/dev/shm), 12 GiB for ten million.
"""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from rich.console import Console

from bench.load.bodies import fresh, write_singles
from bench.load.h2load import LoadError, require_h2load, run
from bench.load.openloop import offer
from bench.load.population import Population, write_history
from bench.load.workload import Workload, grpc_frames, prepare
from bench.measuring.processes import cpu_seconds
from bench.measuring.programs import LOAD_CORE, STREAM, UNARY, Running, running
from bench.measuring.report import Sheet, median_ratio, write
from kuntur.records.layout import ACCOUNT_RECORD_WORDS

_WORK = Path("bench/work")
_FRAMES = (64, 512)
_STREAMED = 25_600
_CONNECTIONS = 4
_PREPARED = 60_000
_NO_REASONS = b"\x10\x02"  # reasons_mode: REASONS_MODE_NONE
_console = Console()
_Costs = dict[str, list[float]]


def _measure(ran: Running, bodies: dict[str, Path], rate: float, seconds: float, costs: _Costs) -> None:
    """Adds the cost of a transaction in frames, in microseconds, and of a single call at a rate."""
    log = _WORK / "h2load.log"
    for frame in _FRAMES:
        load = run(
            ran.address, STREAM, bodies[f"stream_{frame}"], requests=1, in_flight=1, core=LOAD_CORE, log=log
        )
        costs.setdefault(f"stream_{frame}_us", []).append(load.seconds / _STREAMED * 1e6)
    before = sum(cpu_seconds(ran.pid).values())
    singles = offer(
        ran.address, UNARY, bodies["unary"], first=0, rate=rate, seconds=seconds,
        core=LOAD_CORE, connections=_CONNECTIONS,
    )  # fmt: skip
    taken = sum(cpu_seconds(ran.pid).values()) - before
    costs.setdefault("unary_us", []).append(taken / len(singles.due) * 1e6)
    costs.setdefault("unary_p50_ms", []).append(singles.percentile_ms(50))
    costs.setdefault("unary_p99_ms", []).append(singles.percentile_ms(99))


def _bodies(
    name: str, workload: Workload, population: Population, number: int, singles: int
) -> dict[str, Path]:
    change, paths = population.anyone(number), {}
    first = number * (len(_FRAMES) * _STREAMED + singles)
    for frame in _FRAMES:
        path = paths[f"stream_{frame}"] = _WORK / f"scale.{name}.{frame}.bin"
        path.write_bytes(grpc_frames(fresh(workload, first, _STREAMED, change), frame, _NO_REASONS))
        first += _STREAMED
    messages = fresh(workload, first, singles, change)
    paths["unary"] = write_singles(_WORK / f"scale.{name}.bin", messages, _NO_REASONS)
    return paths


def _sheet(figures: dict[str, float], names: dict[str, Population]) -> Sheet:
    rows = []
    for name, there in names.items():
        cells = [f"{there.accounts:,} accounts"]
        cells += [f"{figures[f'{name}_stream_{frame}_us']:.2f} µs" for frame in _FRAMES]
        cells += [
            f"{figures[f'{name}_unary_us']:.0f} µs",
            f"{figures[f'{name}_unary_p50_ms']:.2f} / {figures[f'{name}_unary_p99_ms']:.2f} ms",
            f"{figures[f'{name}_file_gib']:.2f} GiB",
            f"{figures[f'{name}_start_s']:.1f} s",
        ]
        rows.append(tuple(cells))
    ratios = [f"{figures[f'ratio_{case}']:.2f}" for case in ("stream_64_us", "stream_512_us", "unary_us")]
    rows.append(("the second to the first", *ratios, "", "", ""))
    headings = (
        "history of",
        "in frames of 64",
        "in frames of 512",
        "single call, processor",
        "its p50 / p99",
        "file",
        "start on it",
    )
    title = f"Cost of a transaction by the size of the history; {8 * ACCOUNT_RECORD_WORDS:,} bytes an account"
    return Sheet(title, headings, rows)


def main(
    accounts: Annotated[int, typer.Option(help="Accounts of the large history.")] = 10_000_000,
    rounds: Annotated[int, typer.Option(help="Rounds, both histories in turn.")] = 5,
    rate: Annotated[float, typer.Option(help="Single calls offered a second.")] = 2_000.0,
    seconds: Annotated[float, typer.Option(help="Length of each measurement of single calls.")] = 3.0,
    directory: Annotated[Path, typer.Option(help="Where the histories are.")] = Path("/dev/shm"),  # noqa: S108
) -> None:
    """Measures, shows and writes."""
    names = {
        "small": Population(10_000, 10_000, 2_000),
        "large": Population(accounts, max(accounts // 10, 1), max(accounts // 50, 1)),
    }
    files = {name: directory / f"kuntur-bench-{name}.history" for name in names}
    costs: dict[str, _Costs] = {name: {} for name in names}
    figures: dict[str, float] = {}
    try:
        require_h2load()
        workload = prepare(_WORK / "scale", _PREPARED, 10_000)
        with ExitStack() as stack:
            servers: dict[str, Running] = {}
            for name, population in names.items():
                stack.callback(files[name].unlink, missing_ok=True)
                with _console.status(f"A history of {population.accounts:,} accounts"):
                    write_history(files[name], population, workload)
                began = time.perf_counter()
                servers[name] = stack.enter_context(
                    running(workload, settings=population.settings(files[name]), warm=False)
                )
                figures[f"{name}_start_s"] = time.perf_counter() - began
            singles = int(rate * seconds) + 1
            for number in range(rounds + 1):  # the first for nothing
                for name, population in names.items():
                    bodies = _bodies(name, workload, population, number, singles)
                    round_costs: _Costs = {}
                    _measure(servers[name], bodies, rate, seconds, round_costs)
                    for case, values in round_costs.items():
                        if number:
                            costs[name].setdefault(case, []).extend(values)
            for name, path in files.items():
                figures[f"{name}_file_gib"] = path.stat().st_blocks * 512 / 2**30
    except LoadError as error:
        sys.exit(f"bench stopped: {error}")
    for name, found in costs.items():
        figures |= {f"{name}_{case}": median(values) for case, values in found.items()}
    for case in ("stream_64_us", "stream_512_us", "unary_us"):
        figures[f"ratio_{case}"] = median_ratio(costs["large"][case], costs["small"][case])
    write("scale", figures, _sheet(figures, names))


if __name__ == "__main__":
    typer.run(main)
