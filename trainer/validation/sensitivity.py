"""How the figures move when something else does: alerts, missing fields, noise, time for labels.

The served model is asked, never another one. Where it has to score again, it scores all frauds of the test
window and a sample of the other rows, weighted up to stand for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kuntur.features import CATALOGUE
from kuntur.transaction import ATTRIBUTE_PREFIX
from trainer.confined.session import run, session
from trainer.evaluation import bootstrap
from trainer.evaluation.bootstrap import Flags, Float64, Interval
from trainer.evaluation.proportion import share_interval
from trainer.models.imbalance import drawn
from trainer.validation.case import Case, Float32

ALERT_FACTORS = (0.5, 1.0, 2.0)
NOISES = (0.01, 0.05, 0.2)
MATURITIES = (0.25, 0.5, 0.75, 1.0)  # of the label delay
_MOST_ROWS = 30_000
_SEED = 41
_DAY_US = 86_400 * 1_000_000
_NOT_MEASURED = {"flag", "code"}  # units of what a little noise would make something else
# What a bank may lose for a day: a name for people, and the fields that go with it.
SOURCES = (
    ("device", ("device_id",)),
    ("merchant", ("merchant_id",)),
    ("merchant category", ("merchant_category_code",)),
    ("counterparty", ("counterparty_account_id",)),
    ("place and country", ("merchant_latitude", "merchant_longitude", "merchant_country_code")),
    ("balance, type and age of the account", ("account_balance_minor", "account_type", "account_age_days")),
    ("history of the account", ("account_id",)),
    ("reported outcomes", ("outcome",)),
)
ATTRIBUTES = "attributes of the institution"


@dataclass(frozen=True, slots=True)
class AtAlerts:
    """What is found at other numbers of alerts; factor: of those that the review threshold raises."""

    factor: float
    alerts_per_day: float
    threshold: float
    precision: Interval
    recall: Interval
    recall_by_value: Interval


@dataclass(frozen=True, slots=True)
class Moved:
    """The model with inputs changed.

    features: how many; average_precision; recall, precision, alerts_per_day: at the same threshold; advice:
    share of the rows whose advice at the review threshold changes.
    """

    name: str
    features: int
    average_precision: float
    recall: float
    precision: float
    alerts_per_day: float
    advice: float


@dataclass(frozen=True, slots=True)
class AtMaturity:
    """The figures by the labels that were known so many days after the test window."""

    days: float
    frauds: int
    average_precision: float | None
    precision: Interval
    recall: Interval


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """sampled: rows that the model scored again; base: of these, unchanged; sources: the worst first; noise;
    maturity: empty where labels need no time.
    """

    alerts: tuple[AtAlerts, ...]
    sampled: int
    base: Moved
    sources: tuple[Moved, ...]
    noise: tuple[Moved, ...]
    maturity: tuple[AtMaturity, ...]


def sensitivity(case: Case) -> Sensitivity:
    """Returns how the figures of the test window move."""
    again = _Again.of(case)
    base = again.moved("as it is", again.inputs, 0)
    return Sensitivity(
        alerts=_at_alerts(case),
        sampled=len(again.inputs),
        base=base,
        sources=_without_sources(again),
        noise=_with_noise(again),
        maturity=_at_maturity(case),
    )


def _at_alerts(case: Case) -> tuple[AtAlerts, ...]:
    test, days = case.rows.test, case.settings.split.test_days
    raised = int(case.alert.sum()) or round(case.settings.thresholds.review_alerts_per_day * days)
    order = np.argsort(-case.probability, kind="stable")
    found = []
    for factor in ALERT_FACTORS:
        # At least one, so that there is a threshold; equal scores behind the last are left out.
        chosen = order[: min(max(round(raised * factor), 1), len(order))]
        alert = np.zeros(len(test), dtype=np.bool_)
        alert[chosen] = True
        stolen = np.where(test.label, test.amount, 0.0)
        found.append(
            AtAlerts(
                factor=factor,
                alerts_per_day=len(chosen) / days,
                threshold=float(case.probability[chosen[-1]]),
                precision=share_interval(alert & test.label, alert, case.account),
                recall=share_interval(alert & test.label, test.label, case.account),
                recall_by_value=share_interval(np.where(alert, stolen, 0.0), stolen, case.account),
            )
        )
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Again:
    """Rows of the test window to be scored again: float32 [n, features], bool [n], float64 [n] weights."""

    case: Case
    inputs: Float32
    label: Flags
    weight: Float64
    probability: Float32

    @classmethod
    def of(cls, case: Case) -> _Again:
        test = case.rows.test
        chosen, factor = drawn(test.label.astype(np.float32), _MOST_ROWS, _SEED)
        inputs = np.ascontiguousarray(test.features[chosen][:, case.model.columns])
        return cls(case, inputs, test.label[chosen], factor.astype(np.float64), case.probability[chosen])

    def moved(self, name: str, inputs: Float32, features: int) -> Moved:
        """Scores changed inputs and compares."""
        same = inputs is self.inputs
        scores = self.probability if same else run(session(self.case.model.onnx), inputs)
        review = np.float32(self.case.model.thresholds.review)
        alert, before, weight = scores >= review, self.probability >= review, self.weight
        caught = float(weight[alert & self.label].sum())
        raised, frauds = float(weight[alert].sum()), float(weight[self.label].sum())
        return Moved(
            name=name,
            features=features,
            average_precision=bootstrap.average_precision(self.label, scores)(weight),
            recall=caught / frauds,
            precision=caught / raised if raised else 0.0,
            alerts_per_day=raised / self.case.settings.split.test_days,
            advice=float(weight[alert != before].sum() / weight.sum()),
        )


def _without_sources(again: _Again) -> tuple[Moved, ...]:
    found = []
    for name, columns in source_columns(again.case.model.feature_names):
        changed = again.inputs.copy()
        changed[:, columns] = np.nan
        found.append(again.moved(name, changed, len(columns)))
    return tuple(sorted(found, key=lambda moved: (moved.average_precision, moved.name)))


def source_columns(names: Sequence[str]) -> list[tuple[str, npt.NDArray[np.intp]]]:
    """Returns which inputs are unset when the fields of a source are lost, those of none left out."""
    known = {feature.name: feature for feature in CATALOGUE}
    found = []
    for title, fields in SOURCES:
        places = [
            place
            for place, name in enumerate(names)
            if name in known and set(known[name].source) & set(fields)
        ]
        found.append((title, np.array(places, dtype=np.intp)))
    own = [place for place, name in enumerate(names) if name.startswith(ATTRIBUTE_PREFIX)]
    found.append((ATTRIBUTES, np.array(own, dtype=np.intp)))
    return [(title, places) for title, places in found if len(places)]


def _with_noise(again: _Again) -> tuple[Moved, ...]:
    """Multiplies every measured input by 1 plus noise, flags, codes and attributes left as they are."""
    known = {feature.name: feature.unit for feature in CATALOGUE}
    measured = [
        place
        for place, name in enumerate(again.case.model.feature_names)
        if known.get(name, "code") not in _NOT_MEASURED
    ]
    chance = np.random.default_rng(_SEED)
    found = []
    for level in NOISES:
        changed = again.inputs.copy()
        noise = 1 + level * chance.standard_normal((len(changed), len(measured)), dtype=np.float32)
        changed[:, measured] *= noise
        found.append(again.moved(f"{level * 100:g} %", changed, len(measured)))
    return tuple(found)


def _at_maturity(case: Case) -> tuple[AtMaturity, ...]:
    delay_days = case.split.label_delay_days
    found = []
    for share in MATURITIES if delay_days > 0 else ():
        at_us = case.split.test_end_us + round(share * delay_days * _DAY_US)
        label = case.dataset.labels_at(at_us)[case.split.test]
        area = bootstrap.average_precision(label, case.probability)(np.ones(len(label)))
        found.append(
            AtMaturity(
                days=share * delay_days,
                frauds=int(label.sum()),
                average_precision=None if np.isnan(area) else area,
                precision=share_interval(case.alert & label, case.alert, case.account),
                recall=share_interval(case.alert & label, label, case.account),
            )
        )
    return tuple(found)
