"""A model's inference: through ONNX Runtime's C API where there is one, else its Python binding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import structlog

from server.models.onnx_c import CInference
from server.trial.contract import INPUT, OUTPUT

_LOG = structlog.get_logger(__name__)

# Up to this many rows are run under the interpreter's lock.
ROWS_UNDER_LOCK = 64

Inference = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]
"""Takes float32 [n, features of the model], n ≥ 1; returns probabilities, float32 [n]. Safe for threads."""


class BindingInference:
    """Inference through the Python binding, which releases the interpreter's lock for every run."""

    def __init__(self, session: Any) -> None:
        """Takes an `onnxruntime.InferenceSession`."""
        self._run = session.run

    def __call__(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Returns the probabilities."""
        probability: npt.NDArray[np.float32] = self._run((OUTPUT,), {INPUT: features})[0]
        return probability


def open_inference(model: bytes, binding: Callable[[], BindingInference], width: int) -> Inference:
    """Opens the inference of a checked model.

    model: its ONNX file; binding: opens it through the Python binding, where there is no C API; width:
    features that it takes. Raises `onnx_c.InferenceError`.
    """
    try:
        return CInference(model, given=INPUT, found=OUTPUT, width=width, rows_under_lock=ROWS_UNDER_LOCK)
    except (OSError, AttributeError) as error:
        _LOG.warning("ONNX Runtime's C API is missing: inference is slower", cause=str(error))
        return binding()
