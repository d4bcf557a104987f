"""Whether probabilities hold in each of their parts, not only in the mean over all rows.

Nearly all transactions have a probability near 0, so that the mean of all says little of where decisions are
made. Three cuts: as many rows in each bin; as many expected frauds in each; and what lies around a threshold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trainer.evaluation.bootstrap import Flags, Float64
from trainer.evaluation.proportion import share_interval

PARTS = 10
AROUND = 2.0  # by how much the odds around a threshold may be lower or higher


@dataclass(frozen=True, slots=True)
class Bin:
    """Rows of like probability.

    low, high: least and largest probability in it; predicted: the mean; observed: share of fraud, with its
    interval (`share_interval`); holds: whether the mean lies within that.
    """

    low: float
    high: float
    rows: int
    frauds: int
    predicted: float
    observed: float
    observed_low: float
    observed_high: float
    holds: bool


def by_rows(
    label: Flags, probability: npt.NDArray[np.floating], account: npt.NDArray[np.int64], parts: int = PARTS
) -> tuple[Bin, ...]:
    """Returns bins of as many rows each, the least probable first; equal probabilities share a bin."""
    return _bins(label, probability, account, np.ones(len(label)), parts)


def by_expected_frauds(
    label: Flags, probability: npt.NDArray[np.floating], account: npt.NDArray[np.int64], parts: int = PARTS
) -> tuple[Bin, ...]:
    """Returns bins that each expect as many frauds, by their own probabilities; equal ones share a bin."""
    return _bins(label, probability, account, probability.astype(np.float64), parts)


def around(
    label: Flags,
    probability: npt.NDArray[np.floating],
    account: npt.NDArray[np.int64],
    threshold: float,
) -> Bin | None:
    """Returns the rows whose odds are from half to twice those of a threshold; None without any."""
    if not 0 < threshold < 1:
        return None
    odds = threshold / (1 - threshold)
    low, high = (times / (1 + times) for times in (odds / AROUND, odds * AROUND))
    rows = np.flatnonzero((probability >= low) & (probability <= high))
    return _bin(label, probability, account, rows) if len(rows) else None


def _bins(
    label: Flags,
    probability: npt.NDArray[np.floating],
    account: npt.NDArray[np.int64],
    measure: Float64,
    parts: int,
) -> tuple[Bin, ...]:
    if not len(label) or not measure.sum() > 0:
        return ()
    order = np.argsort(probability, kind="stable")
    reached = np.cumsum(measure[order])
    ends = np.searchsorted(reached, reached[-1] * np.arange(1, parts) / parts)
    edges = np.unique(probability[order][ends])  # the largest probability of each bin but the last
    place = np.searchsorted(edges, probability, side="left")
    return tuple(
        _bin(label, probability, account, np.flatnonzero(place == number)) for number in np.unique(place)
    )


def _bin(
    label: Flags,
    probability: npt.NDArray[np.floating],
    account: npt.NDArray[np.int64],
    rows: npt.NDArray[np.intp],
) -> Bin:
    inside, frauds = probability[rows].astype(np.float64), label[rows]
    found = share_interval(frauds, np.ones(len(rows)), account[rows])
    predicted = float(inside.mean())
    return Bin(
        low=float(inside.min()),
        high=float(inside.max()),
        rows=len(rows),
        frauds=int(frauds.sum()),
        predicted=predicted,
        observed=found.value,
        observed_low=found.low,
        observed_high=found.high,
        holds=found.low <= predicted <= found.high,
    )
