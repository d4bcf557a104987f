"""All that a validator asks beyond the test window, made for one model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kuntur.bundle.bundle import Registry
from trainer.evaluation.bootstrap import Float64, Interval
from trainer.evaluation.proportion import NOTE
from trainer.evaluation.review.fairness import Fairness, fairness
from trainer.evaluation.review.misses import REASONS, Misses, misses
from trainer.evaluation.review.recalibration import Recalibration, recalibration
from trainer.evaluation.review.reliability import Bin, around, by_expected_frauds, by_rows
from trainer.evaluation.segments import OF_CUSTOMERS, OTHER, Segment
from trainer.progress import Progress
from trainer.sources.split import iso
from trainer.validation.benchmark import Benchmark, benchmark
from trainer.validation.case import Case
from trainer.validation.folds import Folds, earlier_folds
from trainer.validation.history import ImportanceHistory, Version, by_importance, importance_history
from trainer.validation.monitoring import Monitoring, monitoring
from trainer.validation.sensitivity import Sensitivity, sensitivity

# Values of an attribute by which fairness is judged: so many, each of so many transactions.
_MOST_GROUPS, _FEWEST_ROWS = 12, 10
_UNKNOWN = (
    "sex", "age of the customer", "disability", "ethnic origin", "language", "religion", "income",
    "home address or region",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Calibrated:
    """Calibration in its parts; around: by the name of the threshold, None where it has no rows."""

    by_rows: tuple[Bin, ...]
    by_expected_frauds: tuple[Bin, ...]
    around: dict[str, Bin | None]
    recalibration: Recalibration


@dataclass(frozen=True, slots=True)
class Judgeable:
    """Fairness by what is known.

    unknown: of customers, that no data tell; absent: attributes that the settings name and the data do not
    have, or that do not vary.
    """

    found: Fairness
    unknown: tuple[str, ...]
    absent: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Validation:
    """What was made. interval_note: of the shares that have no other."""

    interval_note: str
    folds: Folds
    benchmark: Benchmark
    misses: Misses
    calibration: Calibrated
    sensitivity: Sensitivity
    fairness: Judgeable
    importance_history: ImportanceHistory
    monitoring: Monitoring

    def document(self) -> dict[str, Any]:
        """Returns it ready for JSON, NaN where there is no figure."""
        return asdict(self)


def validate(
    case: Case,
    metrics: Mapping[str, float],
    intervals: Mapping[str, Interval],
    importance: Float64,
    own_name: str,
    replaces: str,
    progress: Progress,
) -> Validation:
    """Makes everything.

    metrics, intervals: of the test window; importance: float64 [features], of the model as it is served;
    own_name: its version; replaces: the one that is live, if any.
    """
    test, settings, names = case.rows.test, case.settings, case.model.feature_names
    label, account, end = test.label, case.account, iso(case.split.test_end_us)
    return Validation(
        interval_note=NOTE,
        folds=earlier_folds(case, dict(metrics), settings.card.folds, progress),
        benchmark=benchmark(case, metrics, intervals),
        misses=misses(
            label,
            case.alert,
            test.amount,
            account,
            case.segments,
            case.features(reason.feature for reason in REASONS),
        ),
        calibration=Calibrated(
            by_rows(label, case.probability, account),
            by_expected_frauds(label, case.probability, account),
            {
                name: around(label, case.probability, account, getattr(case.model.thresholds, name))
                for name in ("review", "decline")
            },
            recalibration(label, case.probability, account),
        ),
        sensitivity=sensitivity(case),
        fairness=_fairness(case),
        importance_history=importance_history(
            Registry(settings.registry),
            Version(
                version="",
                algorithm=str(case.model.parameters["algorithm"]),
                role="",
                validation_end=end,
                features=by_importance(zip(names, importance.tolist(), strict=True)),
                kept=None,
            ),
            own_name,
            settings.card.history_versions,
        ),
        monitoring=monitoring(settings, end, case.split.label_delay_days, metrics, intervals, replaces),
    )


def _fairness(case: Case) -> Judgeable:
    groups = {name: case.segments[name] for name in OF_CUSTOMERS if name in case.segments}
    asked = case.settings.card.fairness
    known = case.features(asked)
    groups |= {name: _by_value(values) for name, values in known.items()}
    absent = [name for name in asked if name not in known]
    found = fairness(case.rows.test.label, case.alert, case.decline, case.account, groups)
    told = {name.removeprefix("attribute.") for name in case.settings.card.fairness}
    return Judgeable(found, tuple(name for name in _UNKNOWN if name not in told), tuple(absent))


def _by_value(values: np.ndarray[Any, np.dtype[np.float32]]) -> Segment:
    """Returns an attribute's values as groups: the most frequent, the rest under one name, and unset."""
    known, counts = np.unique(values[~np.isnan(values)], return_counts=True)
    largest = np.argsort(-counts, kind="stable")[:_MOST_GROUPS]
    shown = np.sort(known[largest[counts[largest] >= _FEWEST_ROWS]])
    names = [f"{value:g}" for value in shown]
    place = np.searchsorted(shown, values)
    other = np.where(np.isnan(values), len(names) + 1, len(names))
    code = np.where(np.isin(values, shown), place, other)
    return Segment(code.astype(np.int8), (*names, OTHER, "(not known)"))
