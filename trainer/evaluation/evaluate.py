"""How well a model finds fraud, under the manifest's names and with intervals.

What each figure means is said in `trainer.evaluation.figures`; where the thresholds lie is decided in
`trainer.evaluation.thresholds`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trainer.evaluation import bootstrap
from trainer.evaluation.bootstrap import LEVEL, Float64, Interval, Weighted
from trainer.evaluation.figures import (
    CALIBRATION_BINS,
    WITHOUT_INTERVAL,
    at_threshold,
    of_probabilities,
    of_ranking,
)
from trainer.evaluation.figures import calibration_error as weighted_calibration_error
from trainer.evaluation.proportion import FEW, is_of_few, share_interval
from trainer.evaluation.thresholds import costs_per_day
from trainer.settings.judging import ThresholdSettings

if TYPE_CHECKING:
    from kuntur.bundle.bundle import Thresholds

Float32 = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]

REPLICATES = 500
_SEED = 23
INTERVAL_NOTE = (
    f"{LEVEL * 100:g} % of {REPLICATES} bootstrap replicates that draw accounts with replacement. Where "
    f"fewer than {FEW} accounts have what a share counts, or what it does not count, replicates tell too "
    "little, and the share has Wilson's interval (1927) on the effective number of accounts that it is of "
    "(Kish, 1965: all rows of an account count as one, and accounts with more money for more). Any other "
    "figure from which no replicate differs has none. The calibration error has none, since a resample is "
    "always less calibrated than its rows; nor have counts of the window and times of the machine, which "
    "estimate nothing. A share of nothing, such as precision without an alert, is given as 0 and has none "
    "either"
)


def figures(
    label: Flags,
    probability: Float32,
    amount: Float64,
    days: float,
    chosen: Thresholds,
    costs: ThresholdSettings | None = None,
) -> dict[str, float]:
    """Returns the figures of the manifest on one window.

    label: bool [n], of both kinds; probability: float32 [n]; amount: float64 [n], of one currency, 0 for what
    is in another; days: length of the window; costs: of the decisions, None where thresholds are not chosen
    by them. Precision, recall, recall by value, F1 and accuracy are at the review threshold where nothing
    else is said. A share of nothing, such as precision without an alert, is 0.
    """
    taken = _weighted(label, probability, amount, days, chosen, costs)
    return {"rows": float(len(label)), "frauds": float(label.sum())} | {
        name: _whole(figure, len(label)) for name, figure in taken.items()
    }


def intervals(
    label: Flags,
    probability: Float32,
    amount: Float64,
    days: float,
    chosen: Thresholds,
    account: npt.NDArray[np.int64],
    costs: ThresholdSettings | None = None,
    replicates: int = REPLICATES,
) -> dict[str, Interval]:
    """Returns the intervals of `figures` by their names, but for what `INTERVAL_NOTE` says has none.

    account: int64 [n], the bootstrap draws accounts; all else as for `figures`. The ends of a share of
    nothing are NaN.
    """
    taken = _weighted(label, probability, amount, days, chosen, costs)
    drawn = {name: figure for name, figure in taken.items() if name not in WITHOUT_INTERVAL}
    found = bootstrap.replicates(list(drawn.values()), account, replicates, _SEED)
    shares = _shares(label, probability, amount, chosen)
    ends = {}
    for place, (name, figure) in enumerate(drawn.items()):
        value = _whole(figure, len(label))
        if name in shares and is_of_few(*shares[name], account):
            few = share_interval(*shares[name], account)
            ends[name] = Interval(value, few.low, few.high)
        else:
            ends[name] = bootstrap.where_none_differs(Interval.of(value, found[:, place]))
    return ends


def _shares(
    label: Flags, probability: Float32, amount: Float64, chosen: Thresholds
) -> dict[str, tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
    """Returns what each share counts and of what it is a share, [n] each, by the figure's name."""
    found: dict[str, tuple[npt.NDArray[Any], npt.NDArray[Any]]] = {}
    for prefix, threshold in (("", chosen.review), ("decline_", chosen.decline)):
        alert = probability >= np.float32(threshold)
        found[f"{prefix}precision"] = (alert & label, alert)
        found[f"{prefix}recall"] = (alert & label, label)
        found[f"{prefix}accuracy"] = (alert == label, np.ones_like(label))
    alert, stolen = probability >= np.float32(chosen.review), np.where(label, amount, 0.0)
    return found | {"recall_by_value": (np.where(alert, stolen, 0.0), stolen)}


def average_precision(label: Flags, score: npt.NDArray[np.floating]) -> float:
    """Returns the area under precision over recall, without interpolation; 0 when there is no fraud."""
    return _whole(bootstrap.average_precision(label, score), len(label))


def calibration_error(label: Flags, probability: Float32, bins: int = CALIBRATION_BINS) -> float:
    """Returns the expected calibration error over bins of equal width; 0 without rows."""
    return _whole(weighted_calibration_error(label, probability, bins), len(label))


def _weighted(
    label: Flags,
    probability: Float32,
    amount: Float64,
    days: float,
    chosen: Thresholds,
    costs: ThresholdSettings | None,
) -> dict[str, Weighted]:
    review, decline = (
        at_threshold(label, probability >= np.float32(threshold), amount, days)
        for threshold in (chosen.review, chosen.decline)
    )
    ranking = of_ranking(label, probability)
    found = {
        "average_precision": ranking["average_precision"],
        "auc_roc": ranking["auc_roc"],
        **of_probabilities(label, probability),
        "alerts_per_day": review["alerts_per_day"],
        "declines_per_day": decline["alerts_per_day"],
        **{name: review[name] for name in ("precision", "recall", "recall_by_value", "f1", "accuracy")},
        **{f"decline_{name}": decline[name] for name in ("precision", "recall", "f1", "accuracy")},
    }
    if costs is not None:
        found |= costs_per_day(label, probability, amount, days, chosen, costs)
    return found


def _whole(figure: Weighted, rows: int) -> float:
    value = figure(np.ones(rows))
    return 0.0 if math.isnan(value) else value
