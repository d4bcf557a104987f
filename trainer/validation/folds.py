"""The same run as it would have been some test windows earlier: whether the one test window was lucky.

Each fold is cut as the run itself is, with everything moved back by whole test windows: labels as they were
known then, a fit by the chosen recipe, calibration and thresholds on the fold's own calibration window. The
recipe was chosen later, so earlier folds may flatter the choice; they show how much a window differs.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from trainer import calibration
from trainer.dataset.rows import TrainingRows
from trainer.dataset.windows import Window, judging_rows, training_rows
from trainer.evaluation import evaluate, thresholds
from trainer.evaluation.bootstrap import Interval
from trainer.fitting.fit import TooFewFraudsError, fit
from trainer.models.imbalance import thinned
from trainer.progress import Progress
from trainer.sources.split import Split, TooLittleHistoryError, cut, iso
from trainer.validation.case import Case

_DAY_US = 86_400 * 1_000_000
REPLICATES = 200
FIGURES = (
    "average_precision", "auc_roc", "precision", "recall", "recall_by_value", "alerts_per_day",
    "expected_calibration_error",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fold:
    """One window with a model of its own.

    back: test windows before the run's own, 0 for that; rows, frauds: of its test; learnt_from: rows that the
    fit took; figures: by name.
    """

    back: int
    test_start: str
    test_end: str
    rows: int
    frauds: int
    learnt_from: int
    figures: dict[str, Interval]


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over the earlier folds: mean, standard deviation (of a sample), least and most, and that of
    the test window with its distance from the mean in standard deviations, None below three folds.
    """

    mean: float
    deviation: float | None
    least: float
    most: float
    test: float
    distance: float | None


@dataclass(frozen=True, slots=True)
class Folds:
    """The earlier folds, the newest first.

    missing: why there are no more, empty where all asked for are there; spread: by figure, without any fold
    none.
    """

    folds: tuple[Fold, ...]
    missing: str
    spread: dict[str, Spread]


def earlier_folds(case: Case, own: dict[str, float], count: int, progress: Progress) -> Folds:
    """Fits and judges the recipe on earlier windows. own: figures of the test window; count: 0 for none."""
    found: list[Fold] = []
    missing = "" if count else "none was asked for (card.folds = 0)"
    for back in range(1, count + 1):
        progress.step("Judging the recipe on earlier windows", back - 1, count)
        try:
            found.append(_fold(case, back))
        except (TooLittleHistoryError, TooFewFraudsError) as error:
            missing = f"{count} were asked for, the data allow {len(found)}: {str(error).split(';')[0]}"
            break
    if count:
        progress.step("Judging the recipe on earlier windows", count, count)
    return Folds(tuple(found), missing, _spreads(found, own))


def _fold(case: Case, back: int) -> Fold:
    settings, dataset = case.settings, case.dataset
    until_us = case.until_us - back * round(settings.split.test_days * _DAY_US)
    split = cut(dataset.event_time_us, until_us, settings.split, case.split.label_delay_days)
    places = {name: place for place, name in enumerate(dataset.names)}
    columns = np.array([places[name] for name in case.names], dtype=np.intp)
    training = _training(case, split, columns)
    calibrate, test = (
        judging_rows(dataset, rows, columns, until_us) for rows in (split.calibrate, split.test)
    )
    for name, label in (
        ("training", training.label == 1), ("calibration", calibrate.label), ("test", test.label),
    ):  # fmt: skip
        if label.all() or not label.any():
            raise TooLittleHistoryError(
                f"the {name} window of a run until {iso(until_us)} has transactions of one kind only"
            )
    return _judged(case, back, split, training, calibrate, test)


def _training(case: Case, split: Split, columns: npt.NDArray[np.intp]) -> TrainingRows:
    """Returns what a fold learns from: at most `search.max_rows`, as a trial of the search does."""
    search, moments = case.settings.search, (split.select_start_us, split.train_end_us)
    few = thinned(training_rows(case.dataset, split.train, columns, *moments), search.max_rows, search.seed)
    return replace(few, held=few.features)  # one matrix, as a trial has it: in parts the bins differ


def _judged(
    case: Case, back: int, split: Split, training: TrainingRows, calibrate: Window, test: Window
) -> Fold:
    settings, days = case.settings, case.settings.split.test_days
    fitted = fit(
        training,
        case.model.parameters,
        threads=len(os.sched_getaffinity(0)),
        seed=settings.search.seed,
    )
    margin = fitted.margin(calibrate.features)
    calibrated = calibration.fit(margin, calibrate.label, settings.calibration.method)
    chosen = thresholds.choose(
        calibrated.probability(margin),
        calibrate.label,
        calibrate.amount,
        settings.split.calibrate_days,
        settings.thresholds,
        case.dataset.currency,
    )
    probability = calibrated.probability(fitted.margin(test.features))
    judged = test.label, probability, test.amount, days, chosen
    account = case.dataset.account[split.test]
    whole = evaluate.figures(*judged)
    sure = evaluate.intervals(*judged, account, replicates=REPLICATES)
    nothing = float("nan")
    return Fold(
        back=back,
        test_start=iso(split.test_start_us),
        test_end=iso(split.test_end_us),
        rows=len(test),
        frauds=int(test.label.sum()),
        learnt_from=len(training),
        figures={name: sure.get(name, Interval(whole[name], nothing, nothing)) for name in FIGURES},
    )


def _spreads(folds: list[Fold], own: dict[str, float]) -> dict[str, Spread]:
    found = {}
    for name in FIGURES if folds else ():
        values = np.array([fold.figures[name].value for fold in folds])
        deviation = float(values.std(ddof=1)) if len(values) > 1 else None
        mean, test = float(values.mean()), own[name]
        distance = (test - mean) / deviation if deviation and len(values) > 2 else None
        found[name] = Spread(mean, deviation, float(values.min()), float(values.max()), test, distance)
    return found
