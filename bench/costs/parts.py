"""The parts alone, each on one core in a process of its own: ONNX Runtime, the engine, reading, writing.

Run as `python -m bench.costs.parts DIRECTORY TRANSACTIONS ACCOUNTS`, pinned by the caller; prints JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bench.load.workload import Workload, grpc_frames, prepare
from kuntur.features import FeatureEngine, FeatureMatrix
from kuntur.hash_key import DEFAULT_HASH_KEY, secret_from_hex
from kuntur.scores import Scores
from kuntur.wire import TransactionReader, write_frame
from trainer.confined.session import session

_REPEATS = 5
_FAR = 2**62  # no event time is too late


def _best_us(work: Callable[[], None], rows: int) -> float:
    """Returns the least time a row of several runs, in microseconds: what disturbs a run only adds."""
    times = []
    for _ in range(_REPEATS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times) / rows * 1e6


def model_alone(onnx: bytes, features: FeatureMatrix, rows: int = 16_384) -> dict[str, float]:
    """Returns what ONNX Runtime takes a row, in microseconds, for 1, 64 and 512 rows at once, one thread.

    features: float32 [n, catalogue], of which the first `rows` are taken.
    """
    opened, figures = session(onnx), {}
    for frame in (1, 64, 512):
        parts = [
            np.ascontiguousarray(features[i : i + frame])
            for i in range(0, min(len(features), rows) - frame + 1, frame)
        ]
        few = parts[: 4_000 if frame == 1 else None]

        def work(few: list[np.ndarray] = few) -> None:
            for part in few:
                opened.run(None, {"features": part})

        figures[f"onnxruntime_{frame}_us"] = _best_us(work, sum(len(part) for part in few))
    return figures


def _engine_alone(workload: Workload, figures: dict[str, float]) -> None:
    batch = workload.batch
    times = []
    for _ in range(_REPEATS):
        engine = FeatureEngine(capacity=65_536)
        began = time.perf_counter()
        engine.process(batch)
        times.append(time.perf_counter() - began)
    figures["engine_bulk_us"] = min(times) / len(batch) * 1e6
    singles = [batch.rows(slice(i, i + 1)) for i in range(len(batch) - 20_000, len(batch))]

    def work() -> None:
        for single in singles:
            engine.process(single)

    figures["engine_single_us"] = _best_us(work, len(singles))


def _wire_alone(workload: Workload, figures: dict[str, float]) -> None:
    reader = TransactionReader(secret_from_hex(DEFAULT_HASH_KEY))
    raw = workload.raw[workload.load][:16_384]
    for frame in (1, 64, 512):
        bodies = [grpc_frames(raw[i : i + frame], frame)[5:] for i in range(0, len(raw), frame)]

        def read(bodies: list[bytes] = bodies) -> None:
            for body in bodies:
                reader.read_request(body, _FAR)

        figures[f"read_{frame}_us"] = _best_us(read, len(raw))
    readings = [
        reader.read_request(grpc_frames(raw[i : i + 64], 64)[5:], _FAR) for i in range(0, len(raw), 64)
    ]
    scores = Scores(
        np.full(64, 0.25, dtype=np.float32), np.ones(64, dtype=np.int8), "20260101-xgboost-0123456789"
    )

    def write() -> None:
        for reading in readings:
            write_frame(reading.ids, reading.places, scores, {})

    figures["write_64_us"] = _best_us(write, len(raw))


def main() -> None:
    """Measures and prints."""
    directory, transactions, accounts = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    workload = prepare(directory, transactions, accounts)
    figures = model_alone(workload.onnx, workload.features[workload.load])
    _engine_alone(workload, figures)
    _wire_alone(workload, figures)
    sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
