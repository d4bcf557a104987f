"""What a model must pass by itself, whoever is live: parity, calibration, and no drift beyond use."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from trainer.evaluation.evaluate import calibration_error
from trainer.gate.contenders import Challenger, JudgingWindow
from trainer.gate.verdict import Finding
from trainer.settings.judging import GateSettings

_NAMED = 5  # drifted features that are named; the rest is in the bundle


def own_findings(
    challenger: Challenger,
    probability: npt.NDArray[np.float32],
    window: JudgingWindow,
    settings: GateSettings,
) -> tuple[Finding, ...]:
    """Returns the findings on the challenger alone. probability: float32 [n], its scores of the window."""
    return _parity(challenger), _calibration(probability, window, settings), _drift(challenger, settings)


def _parity(challenger: Challenger) -> Finding:
    rows = challenger.parity.get("rows", 0.0)
    largest = challenger.parity.get("max_probability_difference", float("nan"))
    text = f"parity: the exported model gave the fitted one's scores on {rows:,.0f} rows"
    if not rows:
        text = "parity: no comparison of the exported model with the fitted one was handed over"
    return Finding("parity", rows > 0, text, {"rows": rows, "max_probability_difference": largest})


def _calibration(
    probability: npt.NDArray[np.float32], window: JudgingWindow, settings: GateSettings
) -> Finding:
    error = calibration_error(window.label, probability) if len(window) else 0.0
    text = (
        f"calibration: probabilities are off by {error:.4f} in the mean over bins; "
        f"{settings.max_calibration_error:g} is allowed"
    )
    figures = {"expected_calibration_error": error, "limit": settings.max_calibration_error}
    return Finding("calibration", error <= settings.max_calibration_error, text, figures)


def _drift(challenger: Challenger, settings: GateSettings) -> Finding:
    """Adds up the importance of the features that moved: one that hardly counts may move as it likes.

    Counts since the beginning do so in any data, with the beginning ever longer ago.
    """
    weight = dict(zip(challenger.feature_names, challenger.importance.tolist(), strict=True))
    moved = [drift for drift in challenger.drifts if drift.psi > settings.max_psi]
    carried = float(sum(weight.get(drift.name, 0.0) for drift in moved))
    moved.sort(key=lambda drift: -weight.get(drift.name, 0.0))
    named = ", ".join(f"{drift.name} ({drift.psi:.2f})" for drift in moved[:_NAMED])
    more = f" and {len(moved) - _NAMED} more" if len(moved) > _NAMED else ""
    text = (
        f"drift: {len(moved)} of {len(challenger.feature_names)} features have a stability index above "
        f"{settings.max_psi:g}{f', {named}{more},' if moved else ''} and carry {carried:.1%} of the "
        f"importance; {settings.max_drifted_importance:.0%} is allowed"
    )
    figures = {
        "drifted_features": float(len(moved)),
        "drifted_importance": carried,
        "limit": settings.max_drifted_importance,
    }
    return Finding("drift", carried <= settings.max_drifted_importance, text, figures)
