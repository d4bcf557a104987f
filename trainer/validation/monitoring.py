"""What to watch once the model serves, where each limit lies, who acts, and when the model has to go.

Made from the settings and the figures of the test window; times are event times, so that the same run gives
the same plan whenever it is made.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from trainer.evaluation.bootstrap import Interval
from trainer.evaluation.drift import WATCH
from trainer.settings.config import TrainerSettings
from trainer.wording import number, per_cent

_ALERTS_FACTOR = 1.5  # a day's alerts beyond this many times of those expected are more than a busy day


@dataclass(frozen=True, slots=True)
class Watch:
    """Something to watch; measure: with what; expected: what it was; limit: beyond which somebody acts;
    every: how often; action: what is done then.
    """

    what: str
    measure: str
    expected: str
    limit: str
    every: str
    action: str


@dataclass(frozen=True, slots=True)
class Monitoring:
    """who: answers for it; review_by, retire_by: days, ISO 8601, counted from the end of the test window;
    watches: what is watched; retire_when: what ends the model's use before its day.
    """

    who: str
    review_by: str
    retire_by: str
    watches: tuple[Watch, ...]
    retire_when: tuple[str, ...]


def monitoring(
    settings: TrainerSettings,
    test_end: str,
    label_delay_days: float,
    metrics: Mapping[str, float],
    intervals: Mapping[str, Interval],
    replaces: str,
) -> Monitoring:
    """Returns the plan.

    test_end: ISO 8601; metrics, intervals: of the test window; replaces: the live model, if any.
    """
    end = datetime.fromisoformat(test_end)
    card = settings.card
    return Monitoring(
        who=card.owner,
        review_by=(end + timedelta(days=card.review_after_days)).date().isoformat(),
        retire_by=(end + timedelta(days=card.retire_after_days)).date().isoformat(),
        watches=(
            *_without_labels(settings, metrics),
            *_with_labels(settings, label_delay_days, metrics, intervals),
        ),
        retire_when=_retire_when(settings, replaces),
    )


def _without_labels(settings: TrainerSettings, metrics: Mapping[str, float]) -> tuple[Watch, ...]:
    gate, alerts = settings.gate, metrics["alerts_per_day"]
    low, high = f"{alerts / _ALERTS_FACTOR:,.0f}", f"{alerts * _ALERTS_FACTOR:,.0f}"
    return (
        Watch(
            "alerts a day",
            "REVIEW and DECLINE in `kuntur_transactions_scored_total`, by day",
            f"{alerts:,.1f}",
            f"below {low} or above {high} on three days running",
            "daily",
            "look for a change in the data first; then set the thresholds anew by a new run",
        ),
        Watch(
            "drift of the inputs",
            "population stability index of each feature, in the documents of a new run",
            "`documents/drift.json` of this bundle",
            f"one above {gate.max_psi:g} (watch from {WATCH:g}), or drifted features with more than "
            f"{gate.max_drifted_importance * 100:g} % of the importance",
            "monthly",
            "train again; look at where the feature comes from",
        ),
        Watch(
            "scores that are no probability",
            "`kuntur_model_values_invalid_total`",
            "0",
            "above 0",
            "at all times",
            "take back the former model at once",
        ),
        Watch(
            "missing and unknown attributes",
            "`kuntur_attributes_mismatched_total`",
            "0",
            "a lasting rise",
            "daily",
            "mend the feed; the section on sensitivity says what its loss costs",
        ),
        Watch(
            "parity of serving and replay",
            "`kuntur-trainer replay --compare`",
            "no score differs",
            "any score that differs",
            "monthly",
            "stop publishing until it is explained",
        ),
    )


def _with_labels(
    settings: TrainerSettings,
    label_delay_days: float,
    metrics: Mapping[str, float],
    intervals: Mapping[str, Interval],
) -> tuple[Watch, ...]:
    gate, after = settings.gate, f"weekly, {number(label_delay_days)} days behind"
    found = [
        Watch(
            "calibration",
            "expected calibration error of what was served, by the outcomes that came",
            f"{metrics['expected_calibration_error']:.4f}",
            f"above {gate.max_calibration_error:g}",
            after,
            "train again: a new run calibrates on the newest days whose labels are known",
        )
    ]
    for name, what in (("precision", "precision of the alerts"), ("recall", "recall")):
        low = intervals[name].low if name in intervals else float("nan")
        limit = f"below {per_cent(low)} twice running"
        if math.isnan(low):
            limit = "not to be told: too little was seen"
        found.append(
            Watch(
                what,
                f"{name} at the review threshold, by the outcomes that came",
                per_cent(metrics[name]),
                limit,
                after,
                "look at what was missed; train again with the new frauds",
            )
        )
    found.append(
        Watch(
            "share of fraud reported",
            "outcomes by the day of their transaction",
            per_cent(metrics["frauds"] / metrics["rows"]),
            "half or twice that over a month",
            "monthly",
            "find out whether fraud or its reporting changed before anything is trained",
        )
    )
    return tuple(found)


def _retire_when(settings: TrainerSettings, replaces: str) -> tuple[str, ...]:
    gate = settings.gate
    back = f"go back to {replaces}" if replaces else "go back to rules, since no model was live before it"
    return (
        f"its age: {settings.card.retire_after_days} days after the end of its test window it is not to "
        "serve any more, whatever its figures, unless a validation with newer data prolongs it",
        "a limit of the table is passed and no new model passes the gate within "
        f"{number(settings.split.test_days * 2)} days: {back}",
        f"drifted features carry more than {gate.max_drifted_importance * 100:g} % of its importance",
        "a feature is defined anew, or the institution has another time zone: servers refuse it then",
        "the purpose changes: another product, country, channel or customer than it was tested on",
        "the score differs between server and replay and nobody can say why",
    )
