"""`python -m bench.serving.overload`: three times the sustainable rate for a minute, between normal loads.

Calls are due at random and count from when they were due. Sustainable is a share of the most that the
server does with 32 calls in flight: half of it, the rate at which `bench.serving.rates` looks at p99. The
load generator is slower than what it measures at such rates, so what a call waited in it before it was sent
is shown apart and left out of the latencies.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer

from bench.load.bodies import fresh, write_singles
from bench.load.h2load import LoadError
from bench.load.openloop import OpenLoad
from bench.load.phases import Phase, offer_phases
from bench.load.workload import prepare
from bench.measuring.counters import refused_and_failed
from bench.measuring.processes import rss_bytes
from bench.measuring.programs import LOAD_CORE, UNARY, free_port, running
from bench.measuring.report import Sheet, write
from bench.serving.rates import MOST_TAKES, most

_WORK = Path("bench/work")
_CONNECTIONS = 4
_PREPARED = 60_000
_NAMES = ("before", "overload", "first second after", "after")


def _ms(seconds: npt.NDArray[np.float64], q: float) -> float:
    return float(np.percentile(seconds, q) * 1e3) if len(seconds) else float("nan")


def _figures(loads: list[OpenLoad], phases: list[Phase]) -> dict[str, float]:
    figures: dict[str, float] = {}
    for name, load, phase in zip(_NAMES, loads, phases, strict=True):
        took = load.ended - load.sent
        case = name.replace(" ", "_")
        figures[f"{case}_offered_per_s"] = phase.rate
        figures[f"{case}_admitted_per_s"] = float(np.count_nonzero(load.ok)) / phase.seconds
        figures[f"{case}_refused"] = float(load.refused)
        for q in (50, 99):
            figures[f"{case}_p{q}_ms"] = _ms(took[load.ok], q)
            figures[f"{case}_refusal_p{q}_ms"] = _ms(took[~load.ok], q)
        figures[f"{case}_typical_ms"] = load.typical_ms(99, since_sent=True)
        figures[f"{case}_generator_p99_ms"] = _ms(load.sent - load.due, 99)
    for name in ("p99", "typical"):
        figures[f"{name}_to_normal"] = figures[f"overload_{name}_ms"] / figures[f"before_{name}_ms"]
    return figures


def _sheet(figures: dict[str, float]) -> Sheet:
    headings = (
        "",
        "offered",
        "admitted",
        "refused",
        "p50 / p99",
        "p99 in 0.1 s",
        "refusal, p50 / p99",
        "generator late, p99",
    )
    rows: list[tuple[str, ...]] = []
    for name in _NAMES:
        case = name.replace(" ", "_")
        refused = figures[f"{case}_refused"]
        rows.append(
            (
                name,
                f"{figures[f'{case}_offered_per_s']:,.0f}/s",
                f"{figures[f'{case}_admitted_per_s']:,.0f}/s",
                f"{refused:,.0f}",
                f"{figures[f'{case}_p50_ms']:.2f} / {figures[f'{case}_p99_ms']:.2f} ms",
                f"{figures[f'{case}_typical_ms']:.2f} ms",
                f"{figures[f'{case}_refusal_p50_ms']:.2f} / {figures[f'{case}_refusal_p99_ms']:.2f} ms"
                if refused
                else "",
                f"{figures[f'{case}_generator_p99_ms']:.2f} ms",
            )
        )
    memory = f"memory {figures['rss_before_mib']:.0f} → {figures['rss_after_mib']:.0f} MiB"
    title = (
        f"Overload: p99 of admitted calls × {figures['p99_to_normal']:.2f} of normal, "
        f"× {figures['typical_to_normal']:.2f} in 0.1 s; {memory}; "
        f"{figures['refused_by_grpc_share']:.0%} of the refusals by gRPC itself"
    )
    return Sheet(title, headings, rows)


def main(
    seconds: Annotated[float, typer.Option(help="Length of the overload.")] = 60.0,
    times: Annotated[float, typer.Option(help="Offered at overload, in sustainable rates.")] = 3.0,
    share: Annotated[float, typer.Option(help="Sustainable, as a share of the maximum.")] = 0.5,
    normal_seconds: Annotated[float, typer.Option(help="Length of the normal load before and after.")] = 5.0,
    setting: Annotated[list[str] | None, typer.Option(help="A setting of the server, key=value.")] = None,
) -> None:
    """Measures, shows and writes; fails when a call had no answer, or an error that was no refusal."""
    port = free_port()
    settings = {"metrics.port": str(port)} | dict(each.split("=", 1) for each in setting or [])
    try:
        workload = prepare(_WORK / "overload", _PREPARED, 10_000)
        with running(workload, settings=settings) as ran:
            sustainable = share * most(ran.address, workload, 0, _WORK / "overload.bin")
            phases = [
                Phase(sustainable, normal_seconds),
                Phase(times * sustainable, seconds),
                Phase(sustainable, 1.0),
                Phase(sustainable, normal_seconds),
            ]
            messages = fresh(workload, MOST_TAKES, sum(phase.calls for phase in phases))
            bodies = write_singles(_WORK / "overload.bin", messages)
            del messages
            before = refused_and_failed(port)
            memory: list[int] = []
            with offer_phases(
                ran.address, UNARY, bodies, phases, core=LOAD_CORE, connections=_CONNECTIONS
            ) as offered:
                while offered.going_on(1.0):
                    memory.append(rss_bytes(ran.pid))
                loads = offered.result()
            counted, errors = refused_and_failed(port) - before
    except LoadError as error:
        sys.exit(f"bench stopped: {error}")
    figures = _figures(loads, phases)
    figures["rss_before_mib"], figures["rss_after_mib"] = memory[3] / 2**20, memory[-1] / 2**20
    figures["sustainable_per_s"] = sustainable
    refused = sum(load.refused for load in loads)
    figures["refused_by_grpc_share"] = 1 - counted / refused if refused else 0.0
    write("overload", figures, _sheet(figures))
    if errors:
        sys.exit(f"{errors:,.0f} calls ended with an error that was no refusal")


if __name__ == "__main__":
    typer.run(main)
