"""What a published model costs: microseconds a row through ONNX Runtime on one thread, as the server runs it.

A figure of the machine that trained, for the manifest; features and the network are not in it.
"""

from __future__ import annotations

from time import perf_counter

import numpy as np
import numpy.typing as npt

from trainer.confined.session import session

FRAME_ROWS = 64
SINGLE_ROWS = "microseconds_a_row_single"
_CALLS = 200  # single rows, and a quarter as many frames
_WARM_UP = 20


def microseconds_a_row(exported: bytes, features: npt.NDArray[np.float32]) -> dict[str, float]:
    """Returns the median microseconds a row of single rows and of frames of 64, by metric name.

    exported: a model by `build_onnx`; features: float32 [n, columns], rows as they are served, at least one.
    """
    opened = session(exported)
    rows = np.ascontiguousarray(np.resize(features, (_CALLS * FRAME_ROWS // 4, features.shape[1])))

    def median(size: int, calls: int) -> float:
        taken = np.empty(calls)
        for call in range(-_WARM_UP, calls):
            start = max(call, 0) * size
            part = rows[start : start + size]
            before = perf_counter()
            opened.run(None, {"features": part})
            taken[max(call, 0)] = perf_counter() - before
        return float(np.median(taken)) / size * 1e6

    return {
        SINGLE_ROWS: round(median(1, _CALLS), 2),
        "microseconds_a_row_in_frames": round(median(FRAME_ROWS, _CALLS // 4), 2),
    }
