"""What much simpler means would have found on the same test window, at the same work for analysts.

A rule by the amount, a rule by the departure from the account's habit, and a logistic regression on a few
features that anybody understands. Each is calibrated and gets its thresholds as the model does.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trainer import calibration
from trainer.evaluation import bootstrap, evaluate, thresholds
from trainer.evaluation.bootstrap import Flags, Interval
from trainer.fitting.fit import TooFewFraudsError, fit, only
from trainer.models import FAMILIES
from trainer.models.imbalance import thinned
from trainer.validation.case import Case, Float32

SIMPLE_FEATURES = (
    "log_amount", "account_log_amount_zscore", "account_count_24h", "account_seconds_since_last",
    "is_new_merchant", "is_new_device", "is_new_counterparty", "is_night", "is_cross_border",
    "merchant_risk_30d",
)  # fmt: skip
# A name, what it is, and the feature by which it ranks; that has to be among the simple ones.
_RULES = (
    ("amount", "the largest amounts first", "log_amount"),
    ("departure from habit", "the amounts farthest above what the account usually spends first",
     "account_log_amount_zscore"),
)  # fmt: skip
_MOST_ROWS = 100_000  # a straight line on ten features is settled by fewer
_REPLICATES = 200
_SEED = 37
FIGURES = ("average_precision", "auc_roc", "precision", "recall", "recall_by_value", "alerts_per_day")


@dataclass(frozen=True, slots=True)
class Contender:
    """Something to compare with.

    name, text: what it is; figures: by name, on the test window; gain: by how much the model's average
    precision is above, value_gain: its share of stolen money in as many alerts as the budget allows; both
    None for the model itself.
    """

    name: str
    text: str
    figures: dict[str, Interval]
    gain: Interval | None
    value_gain: Interval | None


@dataclass(frozen=True, slots=True)
class Benchmark:
    """The model first, then what it is compared with; fraud_share: average precision of chance."""

    contenders: tuple[Contender, ...]
    fraud_share: float


def benchmark(case: Case, metrics: Mapping[str, float], intervals: Mapping[str, Interval]) -> Benchmark:
    """Fits and judges what the model is compared with; what the data do not allow is left out.

    metrics, intervals: of the model on the test window.
    """
    own = {name: intervals.get(name, _bare(metrics[name])) for name in FIGURES}
    found = [Contender("model", "the model of this card", own, None, None)]
    simple = [name for name in SIMPLE_FEATURES if name in case.names]
    columns = np.array([case.names.index(name) for name in simple], dtype=np.intp)
    inputs = [only(window.features, columns) for window in (case.rows.calibrate, case.rows.test)]
    for name, text, feature in _RULES:
        if feature in simple:
            rule = [_by_feature(values[:, simple.index(feature)]) for values in inputs]
            found.append(_calibrated(case, name, text, rule))
    line = _logistic(case, columns, inputs) if simple else None
    if line is not None:
        text = f"a logistic regression on {len(simple)} features: {', '.join(simple)}"
        found.append(_calibrated(case, "logistic regression", text, line))
    return Benchmark(tuple(found), float(case.rows.test.label.mean()))


def _by_feature(values: Float32) -> Float32:
    """Returns a feature as a margin; unset values come last."""
    known = values[~np.isnan(values)]
    return np.where(np.isnan(values), known.min() if len(known) else 0, values).astype(np.float32)


def _logistic(case: Case, columns: npt.NDArray[np.intp], inputs: Sequence[Float32]) -> list[Float32] | None:
    rows = thinned(case.rows.training.only(columns), _MOST_ROWS, _SEED)
    parameters = {"algorithm": "logistic_regression", **FAMILIES["logistic_regression"].usual(0)}
    try:
        fitted = fit(rows, parameters, threads=len(os.sched_getaffinity(0)), seed=_SEED)
    except TooFewFraudsError:
        return None
    return [fitted.margin(values) for values in inputs]


def _calibrated(case: Case, name: str, text: str, margins: Sequence[Float32]) -> Contender:
    calibrate, settings = case.rows.calibrate, case.settings
    before, tested = margins
    calibrated = calibration.fit(before, calibrate.label, settings.calibration.method)
    chosen = thresholds.choose(
        calibrated.probability(before),
        calibrate.label,
        calibrate.amount,
        settings.split.calibrate_days,
        settings.thresholds,
        case.dataset.currency,
    )
    judged = case.rows.test.label, calibrated.probability(tested), case.rows.test.amount
    days = settings.split.test_days
    whole = evaluate.figures(*judged, days, chosen)
    sure = evaluate.intervals(*judged, days, chosen, case.account)
    figures = {each: sure.get(each, _bare(whole[each])) for each in FIGURES}
    return Contender(name, text, figures, *_gains(case, case.rows.test.label, tested))


def _bare(value: float) -> Interval:
    return Interval(value, float("nan"), float("nan"))


def _gains(case: Case, label: Flags, margin: Float32) -> tuple[Interval, Interval]:
    """Returns what the model is above, with intervals over the same draws of accounts for both."""
    alerts = case.settings.thresholds.review_alerts_per_day * case.settings.split.test_days
    value = bootstrap.value_recall_at(case.rows.test.amount, alerts)
    figures = [
        statistic(label, score)
        for statistic in (bootstrap.average_precision, value)
        for score in (case.probability, margin)
    ]
    drawn = bootstrap.replicates(figures, case.account, _REPLICATES, _SEED)
    whole = [figure(np.ones(len(label))) for figure in figures]
    precision, money = (
        Interval.of(whole[first] - whole[first + 1], drawn[:, first] - drawn[:, first + 1])
        for first in (0, 2)
    )
    return precision, money
