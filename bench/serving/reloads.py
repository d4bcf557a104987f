"""`python -m bench.serving.reloads`: latency while models are replaced, and memory over many reloads.

Single calls are offered at half the maximum, at random. Calm stretches and stretches of reloads take turns;
in the latter another model is chosen every half second. The server is asked only once for each whether it is
live: asked more often, it would be answering that what is measured.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from rich.progress import track

from bench.load.bodies import fresh, write_singles
from bench.load.h2load import LoadError
from bench.load.openloop import OpenLoad, offer
from bench.load.workload import prepare
from bench.measuring.counters import refused_and_failed
from bench.measuring.processes import rss_bytes
from bench.measuring.programs import LOAD_CORE, UNARY, Running, free_port, running
from bench.measuring.report import Sheet, median_ratio, write
from bench.serving.rates import MOST_TAKES, most
from clients import Client
from kuntur.bundle.bundle import Registry

_WORK = Path("bench/work")
_CONNECTIONS = 4
_PREPARED = 60_000
_LOOK_S = 0.05
_SWAP_EVERY_S = 0.5
_PERCENTILES = (50, 99, 99.9)
_SETTLED = 50  # reloads after which pools and caches have filled


class Swapping:
    """Chooses the registry's models in turn, one every half second, until it is ended."""

    def __init__(self, ran: Running, registry: Path) -> None:
        self._ran, self._registry = ran, Registry(registry)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.swaps = 0

    def __enter__(self) -> Swapping:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        os.sched_setaffinity(0, {LOAD_CORE})  # of this thread and of those that the client starts
        with Client(self._ran.address) as client:
            while not self._ended.is_set():
                swap(client, self._registry, _SWAP_EVERY_S)
                self.swaps += 1


def swap(client: Client, registry: Registry, first_look_s: float = 0.0) -> None:
    """Chooses the model that is not live and waits until it is. Raises LoadError when that takes a minute.

    first_look_s: seconds before the server is first asked.
    """
    live = client.live_model().model_version
    other = next(version for version in registry.versions() if version != live)
    registry.set_live(other)
    time.sleep(first_look_s)
    give_up_at = time.monotonic() + 60
    while client.live_model().model_version != other:
        if time.monotonic() > give_up_at:
            raise LoadError(f"{other} did not go live")
        time.sleep(_LOOK_S)


def _figures(loads: dict[str, list[OpenLoad]]) -> dict[str, float]:
    figures = {}
    for case, rounds in loads.items():
        figures[f"{case}_refused"] = float(sum(load.refused for load in rounds))
        for q in _PERCENTILES:
            figures[f"{case}_p{q:g}_ms"] = median(load.percentile_ms(q) for load in rounds)
    for q in _PERCENTILES:
        figures[f"ratio_p{q:g}"] = median_ratio(
            [load.percentile_ms(q) for load in loads["reloads"]],
            [load.percentile_ms(q) for load in loads["calm"]],
        )
    for case, rounds in loads.items():
        figures[f"{case}_typical_ms"] = median(load.typical_ms(99) for load in rounds)
    figures["ratio_typical"] = median_ratio(
        [load.typical_ms(99) for load in loads["reloads"]], [load.typical_ms(99) for load in loads["calm"]]
    )
    return figures


def _sheet(figures: dict[str, float]) -> Sheet:
    def row(name: str, case: str, form: str) -> tuple[str, ...]:
        found = [figures[f"{case}_p{q:g}{end}"] for q in _PERCENTILES]
        shown = [form.format(value) for value in (*found, figures[f"{case}_typical{end}"])]
        return (name, *shown, f"{figures[f'{case}_refused']:.0f}" if end else "")

    end = "_ms"
    rows = [row("without reloads", "calm", "{:.2f} ms"), row("with reloads", "reloads", "{:.2f} ms")]
    end = ""
    rows.append(row("the second to the first", "ratio", "{:.2f}"))
    title = (
        f"Single calls at {figures['rate_per_s']:,.0f}/s; {figures['swaps']:.0f} reloads in "
        f"{figures['reload_seconds']:.0f} s; memory over {figures['memory_swaps']:.0f} more reloads: "
        f"{figures['rss_settled_mib']:.0f} → {figures['rss_end_mib']:.0f} MiB"
    )
    return Sheet(title, ("", *(f"p{q:g}" for q in _PERCENTILES), "p99 in 0.1 s", "refused"), rows)


def main(
    rounds: Annotated[int, typer.Option(help="Rounds, without and with reloads in turn.")] = 5,
    seconds: Annotated[float, typer.Option(help="Length of each stretch.")] = 6.0,
    share: Annotated[float, typer.Option(help="Offered, as a share of the maximum.")] = 0.5,
    swaps: Annotated[int, typer.Option(help="Reloads over which memory is watched.")] = 300,
) -> None:
    """Measures, shows and writes; fails when a call ended with an error that was no refusal for load."""
    loads: dict[str, list[OpenLoad]] = {"calm": [], "reloads": []}
    swapped, memory = 0, list[int]()
    try:
        workload = prepare(_WORK / "reloads", _PREPARED, 10_000, models=2)
        port = free_port()
        settings = {"models.poll_interval_s": "0.1", "metrics.port": str(port)}
        with running(workload, settings=settings) as ran:
            rate = share * most(ran.address, workload, 0, _WORK / "reloads.bin")
            count = int(rate * seconds) + 1
            for number in range(2 * rounds):
                path = write_singles(
                    _WORK / "reloads.bin", fresh(workload, MOST_TAKES + number * count, count)
                )
                case = "reloads" if number % 2 else "calm"
                if case == "reloads":
                    with Swapping(ran, workload.registry) as swapping:
                        load = _offer(ran, path, rate, seconds)
                    swapped += swapping.swaps
                else:
                    load = _offer(ran, path, rate, seconds)
                loads[case].append(load)
            registry = Registry(workload.registry)
            with Client(ran.address) as client:
                for _ in track(range(swaps), "Reloads", transient=True):
                    swap(client, registry)
                    memory.append(rss_bytes(ran.pid))
            _, errors = refused_and_failed(port)
    except LoadError as error:
        sys.exit(f"bench stopped: {error}")
    figures = _figures(loads)
    figures |= {
        "rate_per_s": rate,
        "swaps": swapped,
        "reload_seconds": rounds * seconds,
        "memory_swaps": swaps,
        "rss_settled_mib": median(memory[: min(_SETTLED, swaps)][-10:]) / 2**20,
        "rss_end_mib": median(memory[-10:]) / 2**20,
    }
    write("reloads", figures, _sheet(figures))
    if errors:
        sys.exit(f"{errors:.0f} calls ended with an error that was no refusal")


def _offer(ran: Running, bodies: Path, rate: float, seconds: float) -> OpenLoad:
    return offer(
        ran.address, UNARY, bodies, first=0, rate=rate, seconds=seconds,
        core=LOAD_CORE, connections=_CONNECTIONS, arrivals="poisson",
    )  # fmt: skip


if __name__ == "__main__":
    typer.run(main)
