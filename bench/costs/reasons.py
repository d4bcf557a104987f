"""What reasons cost: a response that carries them beside a plain one, in turn at the same server.

Run as `python -m bench.costs.reasons`; the server is on one core, the load on another.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from statistics import median
from typing import Annotated

import numpy as np
import typer

from bench.load import closed
from bench.load.bodies import Supply
from bench.load.h2load import Load, require_h2load, run
from bench.load.workload import Workload, grpc_frames, prepare
from bench.measuring.programs import LOAD_CORE, STREAM, UNARY, server
from kuntur.bundle.bundle import Registry, read_bundle
from kuntur.features import FEATURE_NAMES
from kuntur.reasons import Reasoner

_WORK = Path("bench/work")
_ALL = b"\x10\x01"  # reasons_mode: REASONS_MODE_ALL
_COUNT = 5
_FRAMES = (64, 512)
_STREAMED = 8_192  # transactions of one stream
_REPEATS = 5


def _kernel_us(workload: Workload) -> dict[str, float]:
    """Returns the least times a row of the reasons alone, in microseconds: numbers, and with words."""
    registry = Registry(workload.registry)
    bundle = read_bundle(registry.bundle_path(str(registry.live_version())))
    assert bundle.explanation is not None
    reasoner = Reasoner(bundle.explanation, FEATURE_NAMES)
    figures = {}
    for rows in (1, 512):
        features = np.ascontiguousarray(workload.features[-512:])
        parts = [features[i : i + rows].copy() for i in range(0, 512, rows)]
        times: dict[str, list[float]] = {"contributions": [], "reasons": []}
        for _ in range(_REPEATS):
            began = time.perf_counter()
            for part in parts:
                bundle.explanation.contributions(part)
            times["contributions"].append(time.perf_counter() - began)
            began = time.perf_counter()
            for part in parts:
                reasoner.reasons(part, part, _COUNT)
            times["reasons"].append(time.perf_counter() - began)
        for name, taken in times.items():
            figures[f"{name}_{rows}_us"] = min(taken) / 512 * 1e6
    return figures


def _bodies(supply: Supply, requests: int) -> dict[str, Path]:
    """Writes request bodies, each of transactions of its own: the server answers each of them but once."""
    paths = {}
    for frame in (1, *_FRAMES):
        for kind, mode in (("plain", b""), ("reasoned", _ALL)):
            path = paths[f"{kind}_{frame}"] = _WORK / f"{kind}_{frame}.bin"
            count = requests if frame == 1 else _STREAMED
            path.write_bytes(grpc_frames(supply.take(count), frame, mode))
    return paths


def _measure(address: str, workload: Workload, rounds: int, requests: int) -> dict[str, list[Load]]:
    """Measures plain and reasoned in turn, round after round, so that a slow spell hits both."""
    log, supply = _WORK / "h2load.log", Supply(workload)
    loads: dict[str, list[Load]] = {}
    for number in range(rounds + 1):
        for name, body in _bodies(supply, requests).items():
            if name.endswith("_1"):
                load = closed.run(address, UNARY, body, requests=requests, in_flight=1, core=LOAD_CORE)
            else:
                load = run(address, STREAM, body, requests=1, in_flight=1, core=LOAD_CORE, log=log)
            if number:  # the first round warms up
                loads.setdefault(name, []).append(load)
    return loads


def main(
    rounds: Annotated[int, typer.Option(help="Rounds, plain and reasoned in turn.")] = 8,
    requests: Annotated[int, typer.Option(help="Single calls of each kind in a round.")] = 1_000,
) -> None:
    """Measures and prints JSON."""
    require_h2load()
    workload = prepare(_WORK / "reasons", _STREAMED, 10_000)
    figures = _kernel_us(workload)
    with server(workload) as address:
        loads = _measure(address, workload, rounds, requests)
    pairs = list(zip(loads["plain_1"], loads["reasoned_1"], strict=True))
    figures["plain_unary_p50_ms"] = median(plain.percentile_ms(50) for plain, _ in pairs)
    figures["reasoned_unary_p50_ms"] = median(reasoned.percentile_ms(50) for _, reasoned in pairs)
    figures["ratio_unary_p50"] = median(r.percentile_ms(50) / p.percentile_ms(50) for p, r in pairs)
    for frame in _FRAMES:
        pairs = list(zip(loads[f"plain_{frame}"], loads[f"reasoned_{frame}"], strict=True))
        figures[f"plain_stream_{frame}_tx_per_s"] = median(_STREAMED / plain.seconds for plain, _ in pairs)
        figures[f"reasoned_stream_{frame}_tx_per_s"] = median(_STREAMED / r.seconds for _, r in pairs)
        figures[f"ratio_stream_{frame}_time"] = median(r.seconds / p.seconds for p, r in pairs)
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}, indent=1))


if __name__ == "__main__":
    typer.run(main)
