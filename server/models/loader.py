"""Bundles to models: every check that a model must pass before it may score."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from kuntur.bundle.bundle import (
    EXPLANATION,
    Bundle,
    BundleRefusedError,
    RefusalReason,
    check_time_zone,
    read_bundle,
)
from kuntur.reasons import Explanation, largest_gap
from kuntur.time_zone import TimeZone, time_zone
from server.host.scheduling import others_first
from server.models.inference import BindingInference, open_inference
from server.models.live import LiveModel
from server.trial.contract import (
    MARGIN,
    FloatArray,
    ModelRefusedError,
    first_line,
    open_session,
    replay_golden,
)
from server.trial.messages import Candidate, Finding
from server.trial.process import Trial

EXPLANATION_TOLERANCE = 1e-4
_WARM_UP_ROWS = (1, 64, 512)


def load_model(path: Path, trial: Trial, zone: TimeZone | None = None) -> LiveModel:
    """Reads, tries, loads, checks and warms up the bundle at `path`.

    Only a model that passed `trial` is loaded into this process, and threads that serve go first. zone: in
    which features count hours and days here, by default Peru's.

    Raises BundleRefusedError, and only that.
    """
    try:
        with others_first():
            bundle = read_bundle(path)
        check_time_zone(bundle.manifest, zone or time_zone())
        finding = _tried(bundle, trial)
        with others_first():
            return _load(bundle, finding)
    except BundleRefusedError:
        raise
    except ModelRefusedError as error:
        raise BundleRefusedError(RefusalReason(error.reason), error.message) from error
    except MemoryError as error:
        raise BundleRefusedError(RefusalReason.INCOMPLETE, "not enough memory to load it") from error
    except Exception as error:  # whatever a hostile model makes the runtime raise, it is refused
        raise BundleRefusedError(RefusalReason.NOT_LOADABLE, first_line(error)) from error


def _tried(bundle: Bundle, trial: Trial) -> Finding:
    finding = trial(Candidate(bundle.model, bundle.golden_features, bundle.golden_scores))
    if finding.reason:
        raise ModelRefusedError(finding.reason, finding.message)
    return finding


def _load(bundle: Bundle, finding: Finding) -> LiveModel:
    if bundle.explanation is not None:
        _check_explanation(bundle.explanation, bundle.golden_features, finding.margin)
    width = len(bundle.manifest.features)
    binding = partial(_binding, bundle.model)
    model = LiveModel(bundle.manifest, open_inference(bundle.model, binding, width), bundle.explanation)
    # What serves is a session of its own, not the one that was tried.
    replay_golden(model.infer, bundle.golden_features, bundle.golden_scores)
    for rows in _WARM_UP_ROWS:
        model.infer(np.zeros((rows, width), dtype=np.float32))
    return model


def _binding(model: bytes) -> BindingInference:
    return BindingInference(open_session(model))


def _check_explanation(
    explanation: Explanation, golden_features: FloatArray, margin: FloatArray | None
) -> None:
    """Compares what explains a model with the model's own margins of the golden rows."""
    if margin is None:
        raise _explains_otherwise(f"the model has no output {MARGIN} to compare it with")
    gap = largest_gap(explanation, np.ascontiguousarray(golden_features[: len(margin)]), margin)
    if not gap <= EXPLANATION_TOLERANCE:
        raise _explains_otherwise(f"contributions and base miss the margin of a golden row by {gap:.3g}")


def _explains_otherwise(message: str) -> BundleRefusedError:
    return BundleRefusedError(RefusalReason.EXPLANATION_INVALID, f"{EXPLANATION}: {message}")
