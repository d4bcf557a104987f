"""Isotonic calibration that loses no order: the monotone fit joined by lines between its blocks.

Isotonic regression of the label on the margin (Zadrozny and Elkan, 2002) gives blocks of equal probability,
and equal probabilities lose the order of the rows inside, and with it average precision. So each block is
one point, its mean margin, and log-odds run straight from point to point: centred isotonic regression (Oron
and Flournoy, 2017), on the scale of log-odds. Beyond the outer points they go on with Platt's slope.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper
from sklearn.isotonic import isotonic_regression

from trainer.calibration.base import Calibration, Nodes, constants
from trainer.calibration.platt import PlattCalibration, fit_platt

Float64 = npt.NDArray[np.float64]
# So much of Platt's line is mixed in, because between two far points of nearly one value float32 would
# not tell the rows apart.
_PLATT_SHARE = 0.01
_RAREST = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class IsotonicCalibration(Calibration):
    """log-odds straight between points (margin, log_odds_at), outside them with the slope of the ends.

    margins: float64 [k], ascending; log_odds_at: float64 [k], ascending; end_slope: above 0; k >= 1.
    """

    margins: Float64
    log_odds_at: Float64
    end_slope: float
    rationale: str = ""

    def _pieces(self) -> tuple[Float64, Float64, Float64]:
        """Returns where each of the k + 1 pieces starts, its log-odds there, and its slope."""
        inner = np.diff(self.log_odds_at) / np.diff(self.margins)
        ends = np.array([self.end_slope])
        first = slice(0, 1)
        return (
            np.concatenate([self.margins[first], self.margins]),
            np.concatenate([self.log_odds_at[first], self.log_odds_at]),
            np.concatenate([ends, inner, ends]),
        )

    def log_odds(self, margin: Float64) -> Float64:
        """Returns calibrated log-odds, float64 [n]."""
        start, value, slope = self._pieces()
        piece = np.searchsorted(self.margins, margin, side="right")
        found: Float64 = (margin - start[piece]) * slope[piece] + value[piece]
        return found

    def moved(self, log_odds: float, rationale: str) -> IsotonicCalibration:
        """Returns it with all points higher or lower by so much."""
        return replace(self, log_odds_at=self.log_odds_at + log_odds, rationale=rationale)

    def log_odds_nodes(self) -> Nodes:
        """Returns the operators from `margin_64` to `log_odds`: the points below tell which piece."""
        start, value, slope = self._pieces()
        nodes = [
            helper.make_node("Unsqueeze", ["margin_64", "last_axis"], ["margin_column"]),
            helper.make_node("GreaterOrEqual", ["margin_column", "points"], ["above"]),
            helper.make_node("Cast", ["above"], ["above_64"], to=TensorProto.INT64),
            helper.make_node("ReduceSum", ["above_64", "last_axis"], ["piece"], keepdims=0),
            helper.make_node("Gather", ["piece_start", "piece"], ["start"]),
            helper.make_node("Gather", ["piece_value", "piece"], ["value"]),
            helper.make_node("Gather", ["piece_slope", "piece"], ["slope"]),
            helper.make_node("Sub", ["margin_64", "start"], ["beyond_start"]),
            helper.make_node("Mul", ["beyond_start", "slope"], ["risen"]),
            helper.make_node("Add", ["risen", "value"], ["log_odds"]),
        ]
        numbers: dict[str, npt.NDArray[Any]] = {
            "last_axis": np.array([1], dtype=np.int64),
            "points": self.margins,
            "piece_start": start,
            "piece_value": value,
            "piece_slope": slope,
        }
        return nodes, constants(numbers)

    def describe(self) -> dict[str, Any]:
        """Returns kind, numbers and rationale."""
        return {
            "method": "isotonic",
            "margins": self.margins.tolist(),
            "log_odds_at": self.log_odds_at.tolist(),
            "end_slope": self.end_slope,
            "rationale": self.rationale,
        }


def fit_isotonic(margin: npt.NDArray[np.float32], label: npt.NDArray[np.bool_]) -> IsotonicCalibration:
    """Fits the points on rows that the model did not learn from; both classes must be there.

    A block's probability is its share of fraud, drawn towards Platt's as by one more row of the rarer class:
    a block without fraud would say 0 and one of fraud alone 1, which nothing warrants. Blocks that no longer
    ascend are joined.
    """
    platt = fit_platt(margin, label)
    values, inverse = np.unique(margin, return_inverse=True)
    rows = np.bincount(inverse).astype(np.float64)
    frauds = np.bincount(inverse, weights=label)
    believed = platt.probability(values).astype(np.float64) * rows
    centres = values.astype(np.float64) * rows
    starts = _block_starts(isotonic_regression(frauds / rows, sample_weight=rows))
    rows, frauds, believed, centres = (
        np.add.reduceat(part, starts) for part in (rows, frauds, believed, centres)
    )
    prior = np.clip(believed / rows, _RAREST, 1 - _RAREST)
    strength = 1 / np.minimum(prior, 1 - prior)
    share = (frauds + strength * prior) / (rows + strength)
    share = isotonic_regression(share, sample_weight=rows + strength)
    starts = _block_starts(share)
    points = np.add.reduceat(centres, starts) / np.add.reduceat(rows, starts)
    share = share[starts]
    return _mixed(points, np.log(share) - np.log1p(-share), platt)


def _block_starts(value: Float64) -> npt.NDArray[np.intp]:
    return np.concatenate([[0], np.flatnonzero(np.diff(value) > 0) + 1])


def _mixed(points: Float64, log_odds: Float64, platt: PlattCalibration) -> IsotonicCalibration:
    mixed = (1 - _PLATT_SHARE) * log_odds + _PLATT_SHARE * platt.log_odds(points)
    return IsotonicCalibration(points, mixed, platt.slope)
