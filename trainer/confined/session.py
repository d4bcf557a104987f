"""ONNX Runtime as the trainer asks it: on one thread, as the server does."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from trainer.confined.model import CHUNK_ROWS

ort.disable_telemetry_events()  # beside its environment variable, see kuntur.telemetry


def session(model: bytes) -> ort.InferenceSession:
    """Opens a model on one thread, as the server does."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run(opened: ort.InferenceSession, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Runs a model over rows of any number, float32."""
    parts = [
        opened.run(None, {"features": np.ascontiguousarray(features[start : start + CHUNK_ROWS])})[0]
        for start in range(0, len(features), CHUNK_ROWS)
    ]
    joined: npt.NDArray[np.float32] = np.concatenate(parts)
    return joined
