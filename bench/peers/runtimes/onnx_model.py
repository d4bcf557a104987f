"""What all programs share: their arguments, and the model on one thread of ONNX Runtime."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

NAME, INPUT, OUTPUT = "trees", "features", "probability"


class OnnxModel:
    """The model as Kuntur runs it: one thread on the processor, only the probability asked for."""

    def __init__(self, path: Path) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.columns: int = self._session.get_inputs()[0].shape[1]

    def infer(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Returns the probabilities, float32 [n], of rows of features, float32 [n, columns]."""
        probabilities: npt.NDArray[np.float32] = self._session.run([OUTPUT], {INPUT: features})[0]
        return probabilities


def arguments() -> tuple[Path, int]:
    """Returns the model and the port for gRPC that the program was called with."""
    return Path(sys.argv[1]), int(sys.argv[2])
