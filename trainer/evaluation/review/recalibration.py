"""How the log-odds would have to be moved to fit what was observed: Cox's intercept and slope (1958).

A slope below 1 says that probabilities are too far apart, too sure of themselves; above 1, that they are too
close together. The intercept, with the slope held at 1, says by how much all of them are too low.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trainer.evaluation.bootstrap import Flags, Float64, Interval
from trainer.evaluation.proportion import share_interval

_LEAST_FRAUDS = 10  # below, two numbers are not to be had
_Z95 = 1.959963984540054
_CLOSEST = 1e-7  # to 0 and 1 that a probability is taken for
_STEPS, _ENOUGH = 60, 1e-9


@dataclass(frozen=True, slots=True)
class Recalibration:
    """expected: sum of the probabilities; observed: frauds; ratio: observed by expected; slope and intercept
    with their intervals, None where there are too few frauds or no fit. Intervals are at 95 %; those of slope
    and intercept by the sandwich over accounts (Liang and Zeger, 1986).
    """

    expected: float
    observed: int
    ratio: Interval
    slope: Interval | None
    intercept: Interval | None


def recalibration(
    label: Flags, probability: npt.NDArray[np.floating], account: npt.NDArray[np.int64]
) -> Recalibration:
    """Returns what would correct the probabilities. label: bool [n]; account: int64 [n]; n above 0."""
    exact = probability.astype(np.float64)
    expected, observed = float(exact.sum()), int(label.sum())
    share = share_interval(label, np.ones(len(label)), account)
    mean = max(expected / len(label), 1e-300)
    ratio = Interval(share.value / mean, share.low / mean, share.high / mean)
    slope = intercept = None
    if min(observed, len(label) - observed) >= _LEAST_FRAUDS:
        near = np.clip(exact, _CLOSEST, 1 - _CLOSEST)
        log_odds = np.log(near / (1 - near))
        both = _fitted(np.column_stack([np.ones(len(label)), log_odds]), np.zeros(len(label)), label, account)
        slope = None if both is None else both[1]
        alone = _fitted(np.ones((len(label), 1)), log_odds, label, account)
        intercept = None if alone is None else alone[0]
    return Recalibration(expected, observed, ratio, slope, intercept)


def _fitted(
    inputs: Float64, offset: Float64, label: Flags, account: npt.NDArray[np.int64]
) -> list[Interval] | None:
    """Fits a logistic regression by Newton's method; None where it does not come to an end."""
    weight = np.zeros(inputs.shape[1])
    weight[1:] = 1.0  # of probabilities that are right
    for _ in range(_STEPS):
        likely = 1 / (1 + np.exp(-np.clip(inputs @ weight + offset, -40, 40)))
        gap, curve = label - likely, likely * (1 - likely)
        information = inputs.T @ (inputs * curve[:, None])
        try:
            inverse = np.linalg.inv(information)
        except np.linalg.LinAlgError:
            return None
        step = inverse @ (inputs.T @ gap)
        if not np.isfinite(step).all() or np.abs(step).max() > 20:
            return None
        weight = weight + step
        if np.abs(step).max() < _ENOUGH:
            break
    else:
        return None
    _, place = np.unique(account, return_inverse=True)
    sums = np.column_stack([np.bincount(place, weights=column) for column in (inputs * gap[:, None]).T])
    covariance = inverse @ (sums.T @ sums) @ inverse
    half = _Z95 * np.sqrt(np.maximum(np.diag(covariance), 0.0))
    return [Interval(float(w), float(w - h), float(w + h)) for w, h in zip(weight, half, strict=True)]
