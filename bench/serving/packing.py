"""`python -m bench.serving.packing`: the packing scorer at fixed rates: the size of its frames, what it adds.

Transactions are due evenly and submitted from one thread of this process, which is pinned to the load's core;
a latency counts from when its transaction was due. Python's client is the limit here, not the server.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from statistics import mean
from typing import Annotated

import numpy as np
import typer

from bench.load.bodies import fresh
from bench.load.h2load import LoadError
from bench.load.workload import prepare
from bench.measuring.programs import LOAD_CORE, running
from bench.measuring.report import Sheet, write
from clients import Client, PackingScorer
from clients.sync.frames import FrameStream
from kuntur.api.v1 import transaction_pb2
from kuntur.transaction import Transaction
from kuntur.values import from_proto

_WORK = Path("bench/work")
_PREPARED = 20_000
_RATES = (200, 1_000, 3_000, 6_000)
_MAX_DELAY_S = 0.002
_SPIN_S = 0.0002


def _wait_until(when: float) -> None:
    left = when - time.perf_counter()
    if left > _SPIN_S:
        time.sleep(left - _SPIN_S)
    while time.perf_counter() < when:
        time.sleep(0)  # hands the interpreter's lock over: the threads that pack and read need it


def _packed(address: str, transactions: list[Transaction], rate: float) -> dict[str, float]:
    """Returns mean frame size and latencies in milliseconds of transactions submitted at a rate."""
    ended = np.zeros(len(transactions))
    sizes: list[int] = []
    send = FrameStream.send

    def counted(self: FrameStream, messages: list[transaction_pb2.Transaction]) -> object:
        sizes.append(len(messages))
        return send(self, messages)

    FrameStream.send = counted  # type: ignore[method-assign,assignment]  # counts what the scorer packs
    try:
        with Client(address) as client, PackingScorer(client, max_delay_seconds=_MAX_DELAY_S) as scorer:
            scorer.submit(transactions[0]).result()
            sizes.clear()
            start = time.perf_counter() + 0.05
            due = start + np.arange(len(transactions)) / rate
            for place, transaction in enumerate(transactions[1:], start=1):
                _wait_until(due[place])

                def told(_: object, place: int = place) -> None:
                    ended[place] = time.perf_counter()

                scorer.submit(transaction).add_done_callback(told)
            scorer.flush()
    finally:
        FrameStream.send = send  # type: ignore[method-assign]
    took = (ended - due)[1:] * 1e3
    return {
        "frame": mean(sizes),
        "p50_ms": float(np.percentile(took, 50)),
        "p99_ms": float(np.percentile(took, 99)),
    }


def _singly(address: str, transactions: list[Transaction], rate: float) -> dict[str, float]:
    """Returns latencies of the same by single calls, one after the other."""
    took = []
    with Client(address) as client:
        client.score(transactions[0])
        start = time.perf_counter() + 0.05
        for place, transaction in enumerate(transactions[1:]):
            due = start + place / rate
            _wait_until(due)
            client.score(transaction)
            took.append((time.perf_counter() - due) * 1e3)
    return {"p50_ms": float(np.percentile(took, 50)), "p99_ms": float(np.percentile(took, 99))}


def main(
    seconds: Annotated[float, typer.Option(help="Length of each measurement.")] = 3.0,
) -> None:
    """Measures, shows and writes."""
    figures: dict[str, float] = {}
    rows: list[tuple[str, ...]] = []
    try:
        workload = prepare(_WORK / "packing", _PREPARED, 10_000)
        taken = 0
        with running(workload) as ran:
            os.sched_setaffinity(0, {LOAD_CORE})
            for rate in _RATES:
                for name, measure in (("single", _singly), ("packed", _packed)):
                    if name == "single" and rate > 1_000:  # a caller that waits for each does no more
                        continue
                    count = int(rate * seconds) + 1
                    raw = fresh(workload, taken, count)
                    taken += count
                    messages = [from_proto(transaction_pb2.Transaction.FromString(each)) for each in raw]
                    found = measure(ran.address, messages, rate)
                    figures |= {f"{name}_{rate}_{key}": value for key, value in found.items()}
                single = figures.get(f"single_{rate}_p50_ms")
                rows.append(
                    (
                        f"{rate:,}/s",
                        f"{figures[f'packed_{rate}_frame']:.1f}",
                        f"{figures[f'packed_{rate}_p50_ms']:.2f} / {figures[f'packed_{rate}_p99_ms']:.2f} ms",
                        "" if single is None else f"{single:.2f} / {figures[f'single_{rate}_p99_ms']:.2f} ms",
                    )
                )
    except LoadError as error:
        sys.exit(f"bench stopped: {error}")
    headings = ("submitted", "transactions a frame", "p50 / p99", "by single calls")
    write("packing", figures, Sheet("The packing scorer of the Python client", headings, rows))


if __name__ == "__main__":
    typer.run(main)
