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
        """Returns the percentile interval; NaN where no replicate has a figure."""
        known = replicates[~np.isnan(replicates)]
        if not len(known):
            return cls(value, float("nan"), float("nan"))
        tail = (1 - LEVEL) / 2
        low, high = np.quantile(known, [tail, 1 - tail])
        return cls(value, float(low), float(high))


def where_none_differs(found: Interval) -> Interval:
    """Returns an interval as it is, or with NaN for both ends where every replicate is the figure itself.

    The bootstrap draws from what was seen, so what all of that agrees on is certain to it.
    """
    if found.low < found.high or np.isnan(found.low):
        return found
    return Interval(found.value, float("nan"), float("nan"))


def average_precision(label: Flags, score: npt.NDArray[np.floating]) -> Weighted:
    """Returns the area under precision over recall without interpolation; equal scores count as one step."""
    steps = _Steps.of(label, score)

    def figure(weight: Float64) -> float:
        frauds, rows, _ = steps.sums(weight)
        caught, alerts = np.cumsum(frauds), np.cumsum(rows)
        if not len(caught) or caught[-1] == 0:
            return float("nan")
        precision = caught / np.maximum(alerts, 1e-300)  # no weight yet: nothing caught either
        return float(np.dot(frauds, precision) / caught[-1])

    return figure


def auc_roc(label: Flags, score: npt.NDArray[np.floating]) -> Weighted:
    """Returns the chance that a fraud scores above a legitimate row (Mann and Whitney, 1947), ties half."""
    steps = _Steps.of(label, score)

    def figure(weight: Float64) -> float:
        frauds, rows, beside = steps.sums(weight)
        total = float(frauds.sum())
        others = float(weight.sum()) - total
        if total <= 0 or others <= 0:
            return float("nan")
        not_below = np.cumsum(rows - frauds)
        beaten = others - not_below + (beside - frauds) / 2
        return float(np.dot(frauds, beaten) / (total * others))

    return figure


def value_recall_at(amount: Float64, alerts: float) -> Statistic:
    """Returns the statistic of the share of stolen money in the `alerts` rows that score highest.

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
    """Yields the weights of each replicate, float64 [n]: how often the row's group was drawn.

    groups: int64 [n], the cluster of each row. A replicate draws as many groups as there are, with
    replacement. The same groups, count and seed give the same weights.
    """
    names, place = np.unique(groups, return_inverse=True)
    for chance in np.random.default_rng(seed).spawn(count):
        drawn = np.bincount(chance.integers(0, len(names), len(names)), minlength=len(names))
        yield drawn.astype(np.float64)[place]


def replicates(figures: Sequence[Weighted], groups: npt.NDArray[np.int64], count: int, seed: int) -> Float64:
    """Returns several figures of the same rows in each replicate, float64 [count, len(figures)]."""
    found = np.empty((count, len(figures)))
    for number, drawn in enumerate(weights(groups, count, seed)):
        found[number] = [figure(drawn) for figure in figures]
    return found


def average_precision_replicates(
    label: Flags, score: npt.NDArray[np.floating], groups: npt.NDArray[np.int64], count: int, seed: int
) -> Float64:
    """Returns the average precision in each replicate, float64 [count]."""
    return replicates([average_precision(label, score)], groups, count, seed)[:, 0]


@dataclass(frozen=True, slots=True)
class _Steps:
    """Rows by falling score, cut behind each score that a fraud has: between them recall does not change.

    Frauds are few, so the steps are, and a replicate sums the many other rows without sorting out which
    lies where: 0.2 ms instead of 7 on 58,000 rows with 0.7 % of fraud. order: intp, the rows down to the last
    fraud; starts: intp [steps], where each begins in it; fraud, tied: intp, rows that are fraud, and rows of
    a fraud's score; fraud_step, tied_step: intp, the steps of these.
    """

    order: npt.NDArray[np.intp]
    starts: npt.NDArray[np.intp]
    fraud: npt.NDArray[np.intp]
    fraud_step: npt.NDArray[np.intp]
    tied: npt.NDArray[np.intp]
    tied_step: npt.NDArray[np.intp]

    @classmethod
    def of(cls, label: Flags, score: npt.NDArray[np.floating]) -> _Steps:
        order, ends = _falling(score)
        first = np.append(0, ends[:-1] + 1) if len(ends) else ends
        with_fraud = np.logical_or.reduceat(label[order], first) if len(ends) else label
        first, last = first[with_fraud], ends[with_fraud]
        place = np.arange(int(last[-1]) + 1 if len(last) else 0)
        step = np.searchsorted(last, place)
        tied = place >= first[step] if len(last) else place.astype(np.bool_)
        fraud = label[order[place]]
        return cls(
            order[place],
            np.append(0, last[:-1] + 1) if len(last) else last,
            order[place[fraud]],
            step[fraud],
            order[place[tied]],
            step[tied],
        )

    def sums(self, weight: Float64) -> tuple[Float64, Float64, Float64]:
        """Returns the weight of frauds, of all rows and of rows of the fraud's score by step, float64."""
        steps = len(self.starts)
        if not steps:
            return np.zeros(0), np.zeros(0), np.zeros(0)
        frauds, tied = (
            np.bincount(step, weights=weight[rows], minlength=steps).astype(np.float64)
            for step, rows in ((self.fraud_step, self.fraud), (self.tied_step, self.tied))
        )
        return frauds, np.add.reduceat(weight[self.order], self.starts), tied


def _falling(score: npt.NDArray[np.floating]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Returns the order from the highest score to the lowest, and in it the last place of each score."""
    order = np.argsort(-score.astype(np.float64), kind="stable")
    if not len(order):
        return order, order
    sorted_score = score[order]
    return order, np.flatnonzero(np.append(sorted_score[1:] != sorted_score[:-1], True))
