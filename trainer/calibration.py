"""Probabilities that mean what they say: Platt's logistic fit of the label on the raw margin (Platt, 1999).

Two numbers, so that a slice with few frauds can settle them, and two ordinary ONNX operators.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.linear_model import LogisticRegression

_SMALLEST_SLOPE = 1e-6  # a slope of 0 or below would turn the order of the scores around


@dataclass(frozen=True, slots=True)
class Calibration:
    """probability = 1 / (1 + exp(−(slope · margin + intercept))), in double precision."""

    slope: float
    intercept: float

    def probability(self, margin: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Gives calibrated probabilities, float32 [n]."""
        z = self.slope * margin.astype(np.float64) + self.intercept
        with np.errstate(over="ignore"):  # exp of a large number is inf, and its inverse 0, as it should be
            return (1.0 / (1.0 + np.exp(-z))).astype(np.float32)

    def nodes(self) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
        """Gives the operators from `margin` to `probability`.

        Spelt out in double precision: the Sigmoid operator in float32 cuts off far from 0, where the order
        of many legitimate transactions would be lost.
        """
        nodes = [
            helper.make_node("Cast", ["margin"], ["margin_64"], to=TensorProto.DOUBLE),
            helper.make_node("Mul", ["margin_64", "slope"], ["scaled"]),
            helper.make_node("Add", ["scaled", "offset"], ["log_odds"]),
            helper.make_node("Neg", ["log_odds"], ["negative"]),
            helper.make_node("Exp", ["negative"], ["odds_against"]),
            helper.make_node("Add", ["odds_against", "one_64"], ["whole"]),
            helper.make_node("Div", ["one_64", "whole"], ["probability_64"]),
            helper.make_node("Cast", ["probability_64"], ["probability"], to=TensorProto.FLOAT),
        ]
        constants = {"slope": self.slope, "offset": self.intercept, "one_64": 1.0}
        return nodes, [
            numpy_helper.from_array(np.array(v, dtype=np.float64), k) for k, v in constants.items()
        ]


def fit(margin: npt.NDArray[np.float32], label: npt.NDArray[np.bool_]) -> Calibration:
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
    return Calibration(slope, log_odds - slope * centre)
