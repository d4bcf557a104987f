"""Bundles to models: every check that a model must pass before it may score."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from kuntur.bundle import EXPLANATION, Bundle, BundleRefusedError, Manifest, RefusalReason, read_bundle
from kuntur.reasons import Explanation, largest_gap
from server.models.inference import INPUT, OUTPUT, BindingInference, Inference, open_inference
from server.models.live import LiveModel

MARGIN = "margin"

GOLDEN_TOLERANCE = 1e-6
EXPLANATION_TOLERANCE = 1e-4
_WARM_UP_ROWS = (1, 64, 512)
_CHUNK_ROWS = 4096
_ORT_FATAL = 4

onnxruntime.disable_telemetry_events()  # beside its environment variable, see kuntur.telemetry


def load_model(path: Path) -> LiveModel:
    """Reads, loads, checks and warms up the bundle at `path`. Raises BundleRefusedError, and only that."""
    try:
        bundle = read_bundle(path)
        session = _open_session(bundle.model)
        _check_contract(session, bundle.manifest)
        _replay_golden(BindingInference(session), bundle)
        width = len(bundle.manifest.features)
        model = LiveModel(bundle.manifest, open_inference(bundle.model, session, width), bundle.explanation)
        _replay_golden(model.infer, bundle)  # what serves is another session of the same model
        if bundle.explanation is not None:
            _check_explanation(session, bundle.explanation, bundle)
        for rows in _WARM_UP_ROWS:
            model.infer(np.zeros((rows, len(bundle.manifest.features)), dtype=np.float32))
    except BundleRefusedError:
        raise
    except OSError as error:
        name = Path(str(error.filename)).name if error.filename else path.name
        message = f"{name} cannot be read: {error.strerror or type(error).__name__}"
        raise BundleRefusedError(RefusalReason.INCOMPLETE, message) from error
    except MemoryError as error:
        raise BundleRefusedError(RefusalReason.INCOMPLETE, "not enough memory to load it") from error
    except Exception as error:  # whatever a hostile model makes the runtime raise, it is refused
        raise BundleRefusedError(RefusalReason.NOT_LOADABLE, _first_line(error)) from error
    return model


def _open_session(model: bytes) -> Any:
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
    options.log_severity_level = _ORT_FATAL  # what it would log becomes the refusal's message
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise BundleRefusedError(RefusalReason.NOT_LOADABLE, _first_line(error)) from error


def _check_contract(session: Any, manifest: Manifest) -> None:
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if [(i.name, i.type) for i in inputs] != [(INPUT, "tensor(float)")]:
        raise _broken_contract(f"the inputs are {_described(inputs)}, not {INPUT}: tensor(float)")
    given = [(o.name, o.type) for o in outputs]
    if given not in ([(OUTPUT, "tensor(float)")], [(OUTPUT, "tensor(float)"), (MARGIN, "tensor(float)")]):
        wanted = f"{OUTPUT}: tensor(float), with or without {MARGIN}: tensor(float)"
        raise _broken_contract(f"the outputs are {_described(outputs)}, not {wanted}")
    shape, width = inputs[0].shape, len(manifest.features)
    if len(shape) != 2 or isinstance(shape[0], int) or shape[1] != width:
        raise _broken_contract(f"{INPUT} has the shape {shape}, not [n, {width}]")


def _replay_golden(infer: Inference, bundle: Bundle) -> None:
    expected = bundle.golden_scores
    if len(expected) == 0:
        raise BundleRefusedError(RefusalReason.GOLDEN_MISMATCH, "there are no golden vectors")
    parts = []
    for start in range(0, len(expected), _CHUNK_ROWS):
        features = np.ascontiguousarray(bundle.golden_features[start : start + _CHUNK_ROWS])
        scores = infer(features)
        if scores.dtype != np.float32 or scores.shape != (len(features),):
            message = f"{OUTPUT} is {scores.dtype} {list(scores.shape)}, not float32 [{len(features)}]"
            raise _broken_contract(message)
        parts.append(scores)
    found = np.concatenate(parts)
    agree = (np.abs(found.astype(np.float64) - expected) <= GOLDEN_TOLERANCE) | (found == expected)
    if not agree.all():
        row = int(np.argmin(agree))
        message = (
            f"golden row {row} scores {found[row]:.9g}, not {expected[row]:.9g} "
            f"({int((~agree).sum()):,} of {len(agree):,} rows differ)"
        )
        raise BundleRefusedError(RefusalReason.GOLDEN_MISMATCH, message)


def _check_explanation(session: Any, explanation: Explanation, bundle: Bundle) -> None:
    """Holds what explains a model against the margins that the model itself gives for the golden rows."""
    if MARGIN not in [output.name for output in session.get_outputs()]:
        raise _explains_otherwise(f"the model gives no {MARGIN} to hold it against")
    features = np.ascontiguousarray(bundle.golden_features[:_CHUNK_ROWS])
    margin = session.run((MARGIN,), {INPUT: features})[0]
    if margin.dtype != np.float32 or margin.shape != (len(features),):
        raise _broken_contract(
            f"{MARGIN} is {margin.dtype} {list(margin.shape)}, not float32 [{len(features)}]"
        )
    gap = largest_gap(explanation, features, margin)
    if not gap <= EXPLANATION_TOLERANCE:
        raise _explains_otherwise(f"contributions and base miss the margin of a golden row by {gap:.3g}")


def _explains_otherwise(message: str) -> BundleRefusedError:
    return BundleRefusedError(RefusalReason.EXPLANATION_INVALID, f"{EXPLANATION}: {message}")


def _broken_contract(message: str) -> BundleRefusedError:
    return BundleRefusedError(RefusalReason.NOT_LOADABLE, message)


def _described(arguments: list[Any]) -> str:
    return ", ".join(f"{a.name}: {a.type}" for a in arguments) or "none"


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:300]
