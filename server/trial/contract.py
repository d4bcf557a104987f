"""What a model must take and return, and the session that runs it: the same in the trial and in service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

INPUT, OUTPUT, MARGIN = "features", "probability", "margin"
GOLDEN_TOLERANCE = 1e-6
_CHUNK_ROWS = 4096
_FATAL = 4

onnxruntime.disable_telemetry_events()  # beside its environment variable, see kuntur.telemetry

FloatArray = npt.NDArray[np.float32]


class ModelRefusedError(Exception):
    """A model that fails a check: the name of the reason, and what was found."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(reason, message)
        self.reason = reason
        self.message = message


def open_session(model: bytes) -> Any:
    """Opens a model on one thread. Raises ModelRefusedError."""
    options = onnxruntime.SessionOptions()
    # One thread a call: the calls are the parallelism. A spinning pool slows the rest of the machine.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    # An arena keeps what it ever took, so that memory would grow with each swap of models.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.log_severity_level = _FATAL  # what it would log becomes the refusal's message
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ModelRefusedError("NOT_LOADABLE", first_line(error)) from error


def check_contract(session: Any, width: int) -> None:
    """Raises ModelRefusedError unless a model takes float32 [n, width] and returns float32 [n]."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if [(i.name, i.type) for i in inputs] != [(INPUT, "tensor(float)")]:
        raise broken_contract(f"the inputs are {_described(inputs)}, not {INPUT}: tensor(float)")
    given = [(o.name, o.type) for o in outputs]
    if given not in ([(OUTPUT, "tensor(float)")], [(OUTPUT, "tensor(float)"), (MARGIN, "tensor(float)")]):
        wanted = f"{OUTPUT}: tensor(float), with or without {MARGIN}: tensor(float)"
        raise broken_contract(f"the outputs are {_described(outputs)}, not {wanted}")
    shape = inputs[0].shape
    if len(shape) != 2 or isinstance(shape[0], int) or shape[1] != width:
        raise broken_contract(f"{INPUT} has the shape {shape}, not [n, {width}]")


def replay_golden(
    infer: Callable[[FloatArray], FloatArray], golden_features: FloatArray, golden_scores: FloatArray
) -> None:
    """Raises ModelRefusedError unless the model returns its score for each golden row.

    Args:
        infer: The model, float32 [n, features] to float32 [n].
        golden_features: float32 [g, features].
        golden_scores: float32 [g], each from 0 to 1.
    """
    expected = golden_scores
    if len(expected) == 0:
        raise ModelRefusedError("GOLDEN_MISMATCH", "there are no golden vectors")
    parts = []
    for start in range(0, len(expected), _CHUNK_ROWS):
        features = np.ascontiguousarray(golden_features[start : start + _CHUNK_ROWS])
        scores = infer(features)
        if scores.dtype != np.float32 or scores.shape != (len(features),):
            message = f"{OUTPUT} is {scores.dtype} {list(scores.shape)}, not float32 [{len(features)}]"
            raise broken_contract(message)
        parts.append(scores)
    found = np.concatenate(parts)
    agree = (np.abs(found.astype(np.float64) - expected) <= GOLDEN_TOLERANCE) | (found == expected)
    if not agree.all():
        row = int(np.argmin(agree))
        message = (
            f"golden row {row} scores {found[row]:.9g}, not {expected[row]:.9g} "
            f"({int((~agree).sum()):,} of {len(agree):,} rows differ)"
        )
        raise ModelRefusedError("GOLDEN_MISMATCH", message)
    if not ((found >= 0) & (found <= 1)).all():
        raise ModelRefusedError("GOLDEN_MISMATCH", "its scores of golden rows are outside of 0 to 1")


def margins(session: Any, golden_features: FloatArray) -> FloatArray | None:
    """Returns the margins of golden rows, float32 [up to 4096]; None for a model that has none."""
    if MARGIN not in [output.name for output in session.get_outputs()]:
        return None
    features = np.ascontiguousarray(golden_features[:_CHUNK_ROWS])
    margin: FloatArray = session.run((MARGIN,), {INPUT: features})[0]
    if margin.dtype != np.float32 or margin.shape != (len(features),):
        raise broken_contract(
            f"{MARGIN} is {margin.dtype} {list(margin.shape)}, not float32 [{len(features)}]"
        )
    return margin


def broken_contract(message: str) -> ModelRefusedError:
    """Returns the refusal of a model that takes or returns something else."""
    return ModelRefusedError("NOT_LOADABLE", message)


def first_line(error: BaseException) -> str:
    """Returns what an exception says in its first line."""
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:300]


def _described(arguments: list[Any]) -> str:
    return ", ".join(f"{a.name}: {a.type}" for a in arguments) or "none"
