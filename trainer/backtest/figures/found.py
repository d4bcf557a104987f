"""What was found of a part of the frauds, such as those of a kind, with intervals over accounts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trainer.backtest.figures.incidents import FirstAlerts
from trainer.evaluation.bootstrap import Float64, Interval, average_precision, replicates
from trainer.evaluation.proportion import is_of_few, share_interval

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Judgeable:
    """Transactions of all tests, one test behind the other.

    fold: int64 [n]; label: bool [n]; score: float64 [n]; amount: float64 [n], of one currency; account:
    int64 [n]; alert: bool [n], those within the alert budget.
    """

    fold: npt.NDArray[np.int64]
    label: Flags
    score: Float64
    amount: Float64
    account: npt.NDArray[np.int64]
    alert: Flags


@dataclass(frozen=True, slots=True)
class Timing:
    """When incidents were found; shares are of all of them.

    incidents: their number; found: share with an alert at all; at_first: share whose first transaction was an
    alert; early: share with an alert before half the money was gone; place, hours: medians over those found,
    of the transaction of the first alert, from 1, and of the hours since the first fraud; NaN without one.
    """

    incidents: int
    found: Interval
    at_first: Interval
    early: Interval
    place: float
    hours: float


@dataclass(frozen=True, slots=True)
class Found:
    """What was found of the frauds of a part.

    rows: of the part; frauds, accounts: that are fraud, and whose they are; alerts: of the part's rows;
    recall, recall_by_value: share of the frauds and of their money within the alert budget;
    average_precision: of these frauds, mean of the tests that have one, NaN without; timing: None where
    incidents are not looked at.
    """

    name: str
    rows: int
    frauds: int
    accounts: int
    alerts: int
    recall: Interval
    recall_by_value: Interval
    average_precision: float
    timing: Timing | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """What is asked of.

    frauds, rows: bool [n], the frauds and what they are ranked among; first: the first alerts of their
    incidents, with `row` a row of all tests, None where incidents are not looked at.
    """

    name: str
    frauds: Flags
    rows: Flags
    first: FirstAlerts | None = None


def found_of(parts: Sequence[Part], rows: Judgeable, resamples: int, seed: int) -> list[Found]:
    """Returns the figures of each part, all on the same draws of accounts.

    A share of few has the interval of `trainer.evaluation.proportion` instead, as in the figures of `train`.
    """
    shares = [share for part in parts for share in _shares(part, rows)]
    drawn = replicates([share.figure for share in shares], rows.account, resamples, seed)
    ones = np.ones(len(rows.label))
    intervals = [
        share_interval(share.part, share.whole, share.account)
        if is_of_few(share.part, share.whole, share.account)
        else Interval.of(share.figure(ones), drawn[:, place])
        for place, share in enumerate(shares)
    ]
    found = []
    for part in parts:
        count = len(_shares(part, rows))
        found.append(_found(part, rows, intervals[:count]))
        intervals = intervals[count:]
    return found


@dataclass(frozen=True, slots=True)
class _Share:
    """A share: what it counts and of what, [m] each; whose that is, int64 [m]; the figure."""

    part: Float64
    whole: Float64
    account: npt.NDArray[np.int64]
    row: npt.NDArray[np.intp]

    def figure(self, weight: Float64) -> float:
        drawn = weight[self.row]
        total = float(drawn @ self.whole)
        return float(drawn @ self.part) / total if total > 0 else float("nan")


def _shares(part: Part, rows: Judgeable) -> list[_Share]:
    suffered = np.flatnonzero(part.frauds)
    alert, amount = rows.alert[suffered].astype(np.float64), rows.amount[suffered]
    ones = np.ones(len(suffered))
    found = [_share(rows, suffered, alert, ones), _share(rows, suffered, alert * amount, amount)]
    if part.first is not None:
        first = part.first
        ones = np.ones(len(first.row))
        found += [
            _share(rows, first.row, hit.astype(np.float64), ones)
            for hit in (first.found, first.place == 1, first.early)
        ]
    return found


def _share(rows: Judgeable, row: npt.NDArray[np.intp], part: Float64, whole: Float64) -> _Share:
    return _Share(part, whole, rows.account[row], row)


def _found(part: Part, rows: Judgeable, intervals: list[Interval]) -> Found:
    timing = None
    if part.first is not None:
        first = part.first
        seen = first.found
        found, at_first, early = intervals[2:]
        timing = Timing(
            len(first.row),
            found,
            at_first,
            early,
            place=float(np.median(first.place[seen])) if seen.any() else float("nan"),
            hours=float(np.median(first.hours[seen])) if seen.any() else float("nan"),
        )
    recall, by_value = intervals[:2]
    return Found(
        name=part.name,
        rows=int(part.rows.sum()),
        frauds=int(part.frauds.sum()),
        accounts=len(np.unique(rows.account[part.frauds])),
        alerts=int((rows.alert & part.rows).sum()),
        recall=recall,
        recall_by_value=by_value,
        average_precision=_average_precision(part, rows),
        timing=timing,
    )


def _average_precision(part: Part, rows: Judgeable) -> float:
    found = []
    for fold in np.unique(rows.fold):
        here = part.rows & (rows.fold == fold)
        if (part.frauds & here).any():
            found.append(average_precision(part.frauds[here], rows.score[here])(np.ones(int(here.sum()))))
    return float(np.mean(found)) if found else float("nan")
