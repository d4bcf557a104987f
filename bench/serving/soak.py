"""`python -m bench.serving.soak --minutes N`: a fixed rate for long; memory, p99 and errors of each interval.

Event time goes on with the load, and every call is a transaction of its own. Fails when a call fails or when
memory drifts: when its median over the last third of the intervals is above that of the second third by
more than `--drift`. The first third is left out, since pools and caches fill in it, and the ids of recent
transactions: the server remembers as many as come in a quarter of the time, where its default is more.
"""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from rich.console import Console

from bench.load.bodies import fresh, write_singles
from bench.load.h2load import LoadError
from bench.load.openloop import offer
from bench.load.workload import prepare
from bench.measuring.processes import rss_bytes
from bench.measuring.programs import LOAD_CORE, UNARY, running
from bench.measuring.report import Sheet, write
from server.settings.sections import History

_WORK = Path("bench/work")
_CONNECTIONS = 4
_PREPARED = 60_000
_console = Console()


def drift(memory: list[int]) -> float:
    """Returns how much more memory the last third of the intervals has than the second, as a share of it.

    Needs three intervals; medians, so that one peak is no drift.
    """
    third = len(memory) // 3
    before, after = memory[third : len(memory) - third], memory[len(memory) - third :]
    return median(after) / median(before) - 1


def failures(errors: int, grown: float, most_grown: float) -> list[str]:
    """Returns what a soak fails for: any error, and memory that grew by more than a share of itself."""
    found = [f"{errors:,} errors"] if errors else []
    if grown > most_grown:
        found.append(f"memory grew by {100 * grown:.2f} %")
    return found


def main(
    minutes: Annotated[float, typer.Option(help="How long.")] = 3.0,
    rate: Annotated[float, typer.Option(help="Single calls offered a second.")] = 1_000.0,
    interval: Annotated[float, typer.Option(help="Seconds between two lines.")] = 10.0,
    most_drift: Annotated[float, typer.Option("--drift", help="Growth of memory that is a failure.")] = 0.02,
) -> None:
    """Runs, prints a line an interval, writes, and fails on errors and on drift."""
    intervals = int(minutes * 60 / interval)
    if intervals < 3:
        sys.exit("a drift needs three intervals: give more minutes or a shorter interval")
    memory, p50, p99, refused = [], [], [], 0
    try:
        workload = prepare(_WORK / "soak", _PREPARED, 10_000)
        count = int(rate * interval) + 1
        remembered = max(1, min(History().recent_transactions, int(rate * minutes * 60 / 4)))
        with running(workload, settings={"history.recent_transactions": str(remembered)}) as ran:
            for number in range(intervals):
                bodies = write_singles(_WORK / "soak.bin", fresh(workload, number * count, count))
                load = offer(
                    ran.address,
                    UNARY,
                    bodies,
                    first=0,
                    rate=rate,
                    seconds=interval,
                    core=LOAD_CORE,
                    connections=_CONNECTIONS,
                )
                memory.append(rss_bytes(ran.pid))
                p50.append(load.percentile_ms(50))
                p99.append(load.percentile_ms(99))
                refused += load.refused
                _console.print(
                    f"{(number + 1) * interval / 60:7.1f} min  {memory[-1] / 2**20:8.1f} MiB"
                    f"  p50 {p50[-1]:.2f} ms  p99 {p99[-1]:.2f} ms  errors {load.refused}",
                    highlight=False,
                )
    except LoadError as error:
        sys.exit(f"bench stopped: {error}")
    figures = {
        "minutes": minutes,
        "rate_per_s": rate,
        "rss_start_mib": memory[0] / 2**20,
        "rss_end_mib": memory[-1] / 2**20,
        "drift": drift(memory),
        "p50_ms": median(p50),
        "p99_ms": median(p99),
        "p99_worst_ms": max(p99),
        "errors": refused,
    }
    row = (
        f"{minutes:g} min at {rate:,.0f}/s",
        f"{figures['rss_start_mib']:.0f} → {figures['rss_end_mib']:.0f} MiB",
        f"{100 * figures['drift']:+.2f} %",
        f"{figures['p50_ms']:.2f} ms",
        f"{figures['p99_ms']:.2f} ms",
        f"{figures['p99_worst_ms']:.2f} ms",
        str(refused),
    )
    headings = ("soak", "memory", "drift", "p50", "p99, median", "p99, worst interval", "errors")
    write("soak", figures, Sheet("Soak", headings, [row]))
    faults = failures(refused, figures["drift"], most_drift)
    if faults:
        sys.exit(f"the soak failed: {', '.join(faults)}")


if __name__ == "__main__":
    typer.run(main)
