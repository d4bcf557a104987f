"""How sure a figure is: the bootstrap over whole clusters (Efron, 1979), accounts or days, not over rows.

Rows of one account are not independent, so a replicate draws accounts. It does not copy rows: it weighs
them, and a statistic sorts its rows once and then takes any number of weights. What a statistic means for
fraud is left to those who use it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Flags = npt.NDArray[np.bool_]
Float64 = npt.NDArray[np.float64]
# Gives a figure of rows of these weights, float64 [n]; NaN where it means nothing, such as without a fraud.
Weighted = Callable[[Float64], float]
# Takes label, bool [n], and score, any float [n], and sorts or sums once what every replicate needs.
Statistic = Callable[[Flags, npt.NDArray[np.floating]], Weighted]

LEVEL = 0.95  # share of the replicates that an interval holds


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure on the rows as they are, and between what 95 % of its replicates lie."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, value: float, replicates: Float64) -> Interval:
        """Gives the percentile interval; NaN where no replicate has a figure."""
        known = replicates[~np.isnan(replicates)]
        if not len(known):
            return cls(value, float("nan"), float("nan"))
        tail = (1 - LEVEL) / 2
        low, high = np.quantile(known, [tail, 1 - tail])
        return cls(value, float(low), float(high))


def average_precision(label: Flags, score: npt.NDArray[np.floating]) -> Weighted:
    """Gives the area under precision over recall without interpolation; equal scores count as one step."""
    order, ends = _falling(score)
    fraud = label[order].astype(np.float64)

    def figure(weight: Float64) -> float:
        drawn = weight[order]
        caught = np.cumsum(drawn * fraud)[ends]
        alerts = np.cumsum(drawn)[ends]
        if not len(caught) or caught[-1] == 0:
            return float("nan")
        precision = caught / np.maximum(alerts, 1e-300)  # no weight yet: nothing caught either
        return float(np.dot(np.diff(caught, prepend=0.0), precision) / caught[-1])

    return figure


def auc_roc(label: Flags, score: npt.NDArray[np.floating]) -> Weighted:
    """Gives the chance that a fraud scores above a legitimate row (Mann and Whitney, 1947), ties half."""
    order, ends = _falling(score)
    fraud = label[order].astype(np.float64)

    def figure(weight: Float64) -> float:
        drawn = weight[order]
        frauds = np.cumsum(drawn * fraud)[ends]
        others = np.cumsum(drawn * (1 - fraud))[ends]
        if not len(ends) or frauds[-1] == 0 or others[-1] == 0:
            return float("nan")
        before = np.concatenate([[0.0], frauds[:-1]])
        won = np.dot(np.diff(others, prepend=0.0), (before + frauds) / 2)
        return float(won / (frauds[-1] * others[-1]))

    return figure


def value_recall(amount: Float64) -> Statistic:
    """Gives the statistic of the share of stolen money in rows that raise an alert.

    amount: float64 [n], of one currency. The statistic's score is the alert itself: above 0 raises one.
    """

    def statistic(label: Flags, score: npt.NDArray[np.floating]) -> Weighted:
        stolen = np.where(label, amount, 0.0)
        caught = np.where(score > 0, stolen, 0.0)

        def figure(weight: Float64) -> float:
            total = float(np.dot(weight, stolen))
            return float(np.dot(weight, caught)) / total if total > 0 else float("nan")

        return figure

    return statistic


def value_recall_at(amount: Float64, alerts: float) -> Statistic:
    """Gives the statistic of the share of stolen money in the `alerts` rows that score highest.

    Compares models at the same work for analysts, whatever their thresholds. amount: float64 [n], of one
    currency. Rows of one score share what is left of the alerts.
    """

    def statistic(label: Flags, score: npt.NDArray[np.floating]) -> Weighted:
        order, ends = _falling(score)
        stolen = np.where(label, amount, 0.0)[order]

        def figure(weight: Float64) -> float:
            drawn = weight[order]
            rows, money = np.cumsum(drawn)[ends], np.cumsum(drawn * stolen)[ends]
            if not len(money) or money[-1] <= 0:
                return float("nan")
            return float(np.interp(alerts, np.append(0.0, rows), np.append(0.0, money)) / money[-1])

        return figure

    return statistic


def weights(groups: npt.NDArray[np.int64], count: int, seed: int) -> Iterator[Float64]:
    """Gives the weights of each replicate, float64 [n]: how often the row's group was drawn.

    groups: int64 [n], the cluster of each row. A replicate draws as many groups as there are, with
    replacement. The same groups, count and seed give the same weights.
    """
    names, place = np.unique(groups, return_inverse=True)
    for chance in np.random.default_rng(seed).spawn(count):
        drawn = np.bincount(chance.integers(0, len(names), len(names)), minlength=len(names))
        yield drawn.astype(np.float64)[place]


def replicates(figures: Sequence[Weighted], groups: npt.NDArray[np.int64], count: int, seed: int) -> Float64:
    """Gives several figures of the same rows in each replicate, float64 [count, len(figures)]."""
    found = np.empty((count, len(figures)))
    for number, drawn in enumerate(weights(groups, count, seed)):
        found[number] = [figure(drawn) for figure in figures]
    return found


def average_precision_replicates(
    label: Flags, score: npt.NDArray[np.floating], groups: npt.NDArray[np.int64], count: int, seed: int
) -> Float64:
    """Gives the average precision in each replicate, float64 [count]."""
    return replicates([average_precision(label, score)], groups, count, seed)[:, 0]


def interval(
    statistic: Statistic,
    label: Flags,
    score: npt.NDArray[np.floating],
    groups: npt.NDArray[np.int64],
    count: int,
    seed: int,
) -> Interval:
    """Gives a statistic with its interval."""
    figure = statistic(label, score)
    return Interval.of(figure(np.ones(len(label))), replicates([figure], groups, count, seed)[:, 0])


def paired_difference(
    statistic: Statistic,
    label: Flags,
    score_a: npt.NDArray[np.floating],
    score_b: npt.NDArray[np.floating],
    groups: npt.NDArray[np.int64],
    count: int,
    seed: int,
) -> Interval:
    """Gives by how much the statistic of a is above that of b, both judged on the same draws."""
    first, second = statistic(label, score_a), statistic(label, score_b)

    def difference(weight: Float64) -> float:
        return first(weight) - second(weight)

    return Interval.of(difference(np.ones(len(label))), replicates([difference], groups, count, seed)[:, 0])


def _falling(score: npt.NDArray[np.floating]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Gives the order from the highest score to the lowest, and in it the last place of each score."""
    order = np.argsort(-score.astype(np.float64), kind="stable")
    if not len(order):
        return order, order
    sorted_score = score[order]
    return order, np.flatnonzero(np.append(sorted_score[1:] != sorted_score[:-1], True))
