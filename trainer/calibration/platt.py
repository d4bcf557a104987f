"""Platt's logistic fit of the label on the raw margin (Platt, 1999): two numbers, which few frauds settle."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import helper
from sklearn.linear_model import LogisticRegression

from trainer.calibration.base import Calibration, Nodes, constants

_SMALLEST_SLOPE = 1e-6  # a slope of 0 or below would turn the order of the scores around


@dataclass(frozen=True, slots=True)
class PlattCalibration(Calibration):
    """log-odds = slope · margin + intercept."""

    slope: float
    intercept: float
    rationale: str = ""

    def log_odds(self, margin: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Returns calibrated log-odds, float64 [n]."""
        return self.slope * margin + self.intercept

    def moved(self, log_odds: float, rationale: str) -> PlattCalibration:
        """Returns it with another intercept."""
        return replace(self, intercept=self.intercept + log_odds, rationale=rationale)

    def log_odds_nodes(self) -> Nodes:
        """Returns the operators from `margin_64` to `log_odds`."""
        nodes = [
            helper.make_node("Mul", ["margin_64", "slope"], ["scaled"]),
            helper.make_node("Add", ["scaled", "offset"], ["log_odds"]),
        ]
        return nodes, constants({"slope": np.array(self.slope), "offset": np.array(self.intercept)})

    def describe(self) -> dict[str, Any]:
        """Returns kind, numbers and rationale."""
        return {
            "method": "platt",
            "slope": self.slope,
            "intercept": self.intercept,
            "rationale": self.rationale,
        }


def fit_platt(margin: npt.NDArray[np.float32], label: npt.NDArray[np.bool_]) -> PlattCalibration:
    """Fits slope and intercept on rows that the model did not learn from; both classes must be there.

    Where the margins tell nothing, or the contrary, the slope is the smallest there is and the intercept is
    what gives the share of fraud.
    """
    spread = float(margin.std()) or 1.0
    centre = float(margin.mean())
    standard = ((margin.astype(np.float64) - centre) / spread)[:, None]
    model = LogisticRegression(C=1e6, max_iter=1000).fit(standard, label)
    slope, log_odds = float(model.coef_[0, 0]) / spread, float(model.intercept_[0])
    if slope <= _SMALLEST_SLOPE:
        share = float(np.mean(label))
        slope, log_odds = _SMALLEST_SLOPE, math.log(share / (1 - share))
    return PlattCalibration(slope, log_odds - slope * centre)
