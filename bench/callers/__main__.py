"""`python -m bench.callers`: what callers of every manner get, and what they leave for others.

Clients on grpcio and, where node is, on grpc-js, with the shipped service config, call at a steady rate
beside: nobody; a
crowd that offers three times the sustainable rate (half the maximum) and keeps to the bound on streams; the
same crowd coming again at once when refused; calls and streams without a request; calls whose answers are
not read. All reasons are asked for, so that two clients and a crowd fit on one core beside the server's.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Annotated

import typer

from bench.callers import hostile
from bench.callers.polite import Told, polite
from bench.callers.rude import rude
from bench.load.bodies import fresh, write_singles
from bench.load.h2load import LoadError
from bench.load.openloop import maximum, split_bodies
from bench.load.phases import Phase, offer_phases
from bench.load.workload import Workload, prepare
from bench.measuring.processes import rss_bytes
from bench.measuring.programs import LOAD_CORE, STREAM, UNARY, Running, running
from bench.measuring.report import Sheet, write

_WORK = Path("bench/work")
_ALL_REASONS = b"\x10\x01"  # reasons_mode: REASONS_MODE_ALL
_PREPARED = 60_000
_CALLS = 8_000  # that the maximum is measured by
_RATE = 100.0  # of each client
_CONNECTIONS = 8  # of a crowd
_SILENT, _SILENT_CONNECTIONS = 1_024, 8
_UNREAD, _UNREAD_CONNECTIONS = 40_000, 8
_SETTLE_S = 2.0
_LIBRARIES = {"python": "grpcio", "node": "grpc-js"}
_CASES = (
    "nobody",
    "a crowd at three times",
    "the same, at once again",
    "silent calls",
    "silent streams",
    "unread answers",
)


class _Bodies:
    """Requests of their own for everyone, in one file."""

    def __init__(self, workload: Workload, count: int) -> None:
        self.path = write_singles(_WORK / "callers.bin", fresh(workload, 0, count), _ALL_REASONS)
        self._taken = 0

    def take(self, count: int) -> int:
        """Returns the number of the first of so many that nobody else has."""
        first, self._taken = self._taken, self._taken + count
        return first


def _most(address: str, bodies: _Bodies) -> float:
    """Returns the calls a second with 32 in flight."""
    bodies.take(_CALLS)
    return maximum(address, UNARY, bodies.path, _CALLS, LOAD_CORE)


@contextmanager
def _beside(case: str, ran: Running, bodies: _Bodies, rate: float, seconds: float) -> Iterator[list[int]]:
    """Has a case's other callers at work; the list has what a crowd got once the block has ended."""
    got: list[int] = []
    if case == "a crowd at three times":
        count = int(rate * seconds)
        path = _WORK / "crowd.bin"
        first = bodies.take(count)
        path.write_bytes(b"".join(split_bodies(bodies.path.read_bytes())[first : first + count]))
        with offer_phases(
            ran.address,
            UNARY,
            path,
            [Phase(rate, seconds)],
            core=LOAD_CORE,
            connections=_CONNECTIONS,
            source=hostile.SOURCE,
        ) as crowd:
            yield got
            got.append(int(crowd.result()[0].ok.sum()))
        return
    if case == "the same, at once again":
        first = bodies.take(int(rate * seconds))
        with rude(ran.address, bodies.path, first, rate, seconds, LOAD_CORE, _CONNECTIONS) as crowd_:
            yield got
            got.append(crowd_.answered())
        return
    others: AbstractContextManager[None] = nullcontext()
    if case.startswith("silent"):
        method = UNARY if case == "silent calls" else STREAM
        others = hostile.silent(ran.address, method, _SILENT, _SILENT_CONNECTIONS)
    elif case == "unread answers":
        first = bodies.take(_UNREAD)
        mine = split_bodies(bodies.path.read_bytes())[first : first + _UNREAD]
        others = hostile.unread(ran.address, UNARY, mine, _UNREAD_CONNECTIONS)
    with others:
        yield got


def _measure(
    case: str, workload: Workload, bodies: _Bodies, rate: float, seconds: float
) -> tuple[dict[str, Told], float, list[float]]:
    """Returns what the clients tell, the answers a second in all, and the memory before, with and after."""
    with running(workload) as ran:
        time.sleep(_SETTLE_S)
        memory = [rss_bytes(ran.pid) / 2**20]
        with ExitStack() as opened:
            clients = {}
            for language in _languages():
                first = bodies.take(int(_RATE * seconds))
                made = polite(language, ran.address, bodies.path, first, _RATE, seconds, LOAD_CORE)
                clients[language] = opened.enter_context(made)
                clients[language].wait_until_ready()
            lasting = seconds + 2 * _SETTLE_S
            with _beside(case, ran, bodies, rate, lasting) as got:
                time.sleep(_SETTLE_S)
                for client in clients.values():
                    client.begin()
                told = {language: client.told() for language, client in clients.items()}
                memory.append(rss_bytes(ran.pid) / 2**20)
        time.sleep(_SETTLE_S)
        memory.append(rss_bytes(ran.pid) / 2**20)
    answers = sum(got) / lasting + sum(client.statuses["OK"] for client in told.values()) / seconds
    return told, answers, memory


def _languages() -> list[str]:
    return [language for language in _LIBRARIES if language != "node" or shutil.which("node")]


def _row(case: str, clients: dict[str, Told], answers: float, memory: list[float]) -> tuple[str, ...]:
    def said(told: Told) -> str:
        others = ", ".join(f"{count} {name}" for name, count in sorted(told.statuses.items()) if name != "OK")
        return f"{told.answered:.1%}" + (f" ({others})" if others else "")

    latencies = " / ".join(
        f"{told.percentile_ms(50):.1f}, {told.percentile_ms(99):.0f}" for told in clients.values()
    )
    return (
        case,
        *(said(told) for told in clients.values()),
        f"{latencies} ms",
        f"{answers:,.0f}/s",
        " → ".join(f"{mib:,.0f}" for mib in memory) + " MiB",
    )  # fmt: skip


def _figures(case: str, clients: dict[str, Told], answers: float, memory: list[float]) -> dict[str, float]:
    name = case.replace(",", "").replace(" ", "_")
    found = {f"{name}_answers_per_s": answers}
    for language, told in clients.items():
        found[f"{name}_{language}_answered"] = told.answered
        found[f"{name}_{language}_cancelled"] = told.statuses["CANCELLED"]
        for q in (50, 99):
            found[f"{name}_{language}_p{q}_ms"] = told.percentile_ms(q)
    for when, mib in zip(("before", "with", "after"), memory, strict=True):
        found[f"{name}_mib_{when}"] = mib
    return found


def main(
    seconds: Annotated[float, typer.Option(help="For how long the clients call in each case.")] = 6.0,
    times: Annotated[float, typer.Option(help="What a crowd offers, in sustainable rates.")] = 3.0,
    case: Annotated[list[str] | None, typer.Option(help="Only these cases; all unless given.")] = None,
) -> None:
    """Measures, shows and writes."""
    cases = case or _CASES
    unknown = sorted(set(cases) - set(_CASES))
    if unknown:
        sys.exit(f"no such case: {', '.join(unknown)}; there are: {'; '.join(_CASES)}")
    figures: dict[str, float] = {}
    rows = []
    try:
        workload = prepare(_WORK / "callers", _PREPARED, 10_000)
        bodies = _Bodies(workload, 250_000)
        with running(workload) as ran:
            most = _most(ran.address, bodies)
        figures["most_per_s"] = most
        for one in cases:
            clients, answers, memory = _measure(one, workload, bodies, times * most / 2, seconds)
            figures |= _figures(one, clients, answers, memory)
            rows.append(_row(one, clients, answers, memory))
    except (LoadError, subprocess.SubprocessError) as error:
        sys.exit(f"bench stopped: {error}")
    answered = (f"{_LIBRARIES[language]}: answered" for language in _languages())
    headings = ("beside", *answered, "p50, p99 of each", "answers in all", "memory before, with, after")
    write("callers", figures, Sheet(f"Callers of every manner; at most {most:,.0f} calls/s", headings, rows))


if __name__ == "__main__":
    typer.run(main)
