"""`python -m bench.serving.rates`: latency of calls at fixed offered rates, Kuntur and the bare echo in turn.

The rates are shares of the most that the server was found to do with 32 calls in flight in this run. Each
call is a transaction of its own and counts from when it was due, so that waiting anywhere counts. Calls
come evenly, or at random with the same mean, as from many independent customers. The echo gets the same
calls, and besides half of what it can do itself: its p99 against its p50 there says what the machine adds.
"""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import median
from typing import Annotated

import typer

from bench.load.bodies import fresh, write_singles
from bench.load.h2load import LoadError
from bench.load.openloop import Arrivals, OpenLoad, maximum, offer
from bench.load.workload import Workload, prepare
from bench.measuring.programs import LOAD_CORE, UNARY, echo, server
from bench.measuring.report import Sheet, write

_WORK = Path("bench/work")
_SHARES = (25, 50, 75, 90)  # percent of the maximum
_ARRIVALS: tuple[Arrivals, ...] = ("even", "poisson")
_PERCENTILES = (50, 90, 99, 99.9)
_CONNECTIONS = 4
_PREPARED = 60_000  # transactions; the load takes them again under new ids
_Case = tuple[str, str, int]
_OWN = "echo_itself"


_CALLS = 20_000  # that the maximum is measured by


def most(address: str, workload: Workload, first: int, path: Path) -> float:
    """Returns the calls a second with 32 in flight, the median of three measurements.

    Each is a transaction of its own, from number `first` on: three times _CALLS of them.
    """
    found = []
    for number in range(3):
        bodies = write_singles(path, fresh(workload, first + number * _CALLS, _CALLS))
        found.append(maximum(address, UNARY, bodies, _CALLS, LOAD_CORE, _CONNECTIONS))
    return median(found)


MOST_TAKES = 3 * _CALLS
"""Transactions that `most` takes."""


def _figures(loads: dict[_Case, list[OpenLoad]]) -> dict[str, float]:
    figures = {}
    for (name, arrivals, share), rounds in loads.items():
        case = f"{name}_{arrivals}_{share}"
        figures[f"{case}_per_s"] = median(load.per_second for load in rounds)
        figures[f"{case}_refused"] = sum(load.refused for load in rounds)
        for q in _PERCENTILES:
            figures[f"{case}_p{q:g}_ms"] = median(load.percentile_ms(q) for load in rounds)
        figures[f"{case}_p99_to_p50"] = median(
            load.percentile_ms(99) / load.percentile_ms(50) for load in rounds
        )
        figures[f"{case}_typical_p99_to_p50"] = median(
            load.typical_ms(99) / load.typical_ms(50) for load in rounds
        )
    return figures


def _sheet(figures: dict[str, float]) -> Sheet:
    headings = (
        "offered",
        *(f"p{q:g}, ms" for q in _PERCENTILES),
        "p99 / p50",
        "in 0.1 s",
        "echo: p50 / p99, ms",
        "refused",
    )
    rows = []

    def latencies(case: str) -> tuple[str, ...]:
        return (
            *(f"{figures[f'{case}_p{q:g}_ms']:.2f}" for q in _PERCENTILES),
            f"{figures[f'{case}_p99_to_p50']:.1f}",
            f"{figures[f'{case}_typical_p99_to_p50']:.1f}",
        )

    for arrivals in _ARRIVALS:
        way = "evenly" if arrivals == "even" else "at random"
        for share in _SHARES:
            ours, bare = f"kuntur_{arrivals}_{share}", f"echo_{arrivals}_{share}"
            rate = figures["maximum_per_s"] * share / 100
            rows.append(
                (
                    f"{share} %, {rate:,.0f}/s, {way}",
                    *latencies(ours),
                    f"{figures[f'{bare}_p50_ms']:.2f} / {figures[f'{bare}_p99_ms']:.2f}",
                    f"{figures[f'{ours}_refused']:.0f}",
                )
            )
        rate = figures["echo_maximum_per_s"] / 2
        case = f"{_OWN}_{arrivals}_50"
        rows.append((f"the echo, half of its own maximum, {rate:,.0f}/s, {way}", *latencies(case), "", ""))
    title = f"Single calls at fixed rates; the most with 32 in flight is {figures['maximum_per_s']:,.0f}/s"
    return Sheet(title, headings, rows)


def main(
    seconds: Annotated[float, typer.Option(help="Length of each measurement.")] = 3.0,
    rounds: Annotated[int, typer.Option(help="How often each; figures are medians.")] = 2,
    accounts: Annotated[int, typer.Option(help="Accounts among the transactions.")] = 10_000,
) -> None:
    """Measures, shows and writes."""
    try:
        workload = prepare(_WORK / "rates", _PREPARED, accounts)
        loads: dict[_Case, list[OpenLoad]] = {}
        path = _WORK / "rates.bin"
        with echo() as bare, server(workload) as kuntur:
            found, taken = most(kuntur, workload, 0, path), MOST_TAKES
            bare_found = most(bare, workload, taken, path)
            taken += MOST_TAKES
            for _ in range(rounds):
                for arrivals in _ARRIVALS:
                    cases = [(found, share, (("echo", bare), ("kuntur", kuntur))) for share in _SHARES]
                    for most_per_s, share, offered_to in (*cases, (bare_found, 50, ((_OWN, bare),))):
                        rate = most_per_s * share / 100
                        count = int(rate * seconds) + 1
                        bodies = write_singles(path, fresh(workload, taken, count))
                        taken += count
                        for name, address in offered_to:
                            load = offer(
                                address, UNARY, bodies, first=0, rate=rate, seconds=seconds,
                                core=LOAD_CORE, connections=_CONNECTIONS, arrivals=arrivals,
                            )  # fmt: skip
                            loads.setdefault((name, arrivals, share), []).append(load)
    except LoadError as error:
        sys.exit(f"bench stopped: {error}")
    figures = {"maximum_per_s": found, "echo_maximum_per_s": bare_found} | _figures(loads)
    write("rates", figures, _sheet(figures))


if __name__ == "__main__":
    typer.run(main)
