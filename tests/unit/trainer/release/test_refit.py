"""The fit that is served: what it learns from, what is settled for it and where, and that freshness pays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from kuntur.bundle.bundle import Refit
from tests.unit.trainer.samples import parameters, served_model, training_data
from trainer import calibration
from trainer.dataset.features import Features
from trainer.dataset.rows import TrainingRows
from trainer.dataset.training_set import Dataset
from trainer.dataset.windows import windows
from trainer.evaluation.evaluate import average_precision
from trainer.fitting.fit import Fitted, fit
from trainer.fitting.settled import days_held_out, settled
from trainer.progress import Silent
from trainer.release.manifest import model_version
from trainer.release.refit import Known, refit
from trainer.settings.config import TrainerSettings
from trainer.settings.judging import GateSettings
from trainer.sources.labels import KnownOutcomes
from trainer.sources.split import Split, TooLittleHistoryError, cut

DAY_US, DAYS, UNTIL, DELAY, CHANGE = 86_400_000_000, 84, 70, 3, 50
SETTINGS = TrainerSettings.model_validate(
    {"split": {"warm_up_days": 2}, "thresholds": {"review_alerts_per_day": 6, "decline_alerts_per_day": 2}}
)
COLUMNS = np.arange(4)
RECIPE = parameters("xgboost", rounds=40, max_depth=3)


def drifting(rows: int = 12_000, seed: int = 4) -> Dataset:
    """Returns twelve weeks in which column 0 tells fraud, and from day CHANGE on half of it by column 1."""
    chance = np.random.default_rng(seed)
    time_us = np.sort(chance.integers(0, DAYS * DAY_US, rows))
    label = chance.random(rows) < 0.06
    changed = (time_us >= CHANGE * DAY_US) & (chance.random(rows) < 0.5)
    features = chance.normal(size=(rows, 4)).astype(np.float32)
    features[label & ~changed, 0] += 3
    features[label & changed, 1] += 3
    reported = time_us + DELAY * DAY_US
    order = np.argsort(reported, kind="stable")
    return Dataset(
        features=Features.of(features),
        names=tuple("abcd"),
        event_time_us=time_us,
        is_fraud=label,
        outcomes=KnownOutcomes(order, reported[order], label[order]),
        currency="PEN",
        amount=chance.gamma(2, 40, rows),
        account=chance.integers(0, rows // 4, rows),
        merchant=np.zeros(rows, dtype=np.int64),
        source_row=np.arange(rows),
        segments={},
    )


DATASET = drifting()


def split_of(settings: TrainerSettings = SETTINGS) -> Split:
    return cut(DATASET.event_time_us, UNTIL * DAY_US, settings.split, DELAY)


def known_of(settings: TrainerSettings = SETTINGS, dataset: Dataset = DATASET) -> Known:
    return Known.of(dataset, split_of(settings), UNTIL * DAY_US, settings)


def judged_fit(recipe: dict[str, Any]) -> Fitted:
    rows = windows(DATASET, split_of(), COLUMNS, UNTIL * DAY_US)
    return fit(rows.training, recipe, threads=1, seed=7)


def test_it_learns_from_every_row_whose_label_had_time_to_come_and_holds_the_newest_out() -> None:
    known, time = known_of(), DATASET.event_time_us
    first = time[0] + 2 * DAY_US
    assert np.array_equal(known.rows, np.flatnonzero((time >= first) & (time < (UNTIL - DELAY) * DAY_US)))
    assert np.array_equal(known.held_out, known.rows[time[known.rows] >= (UNTIL - DELAY - 7) * DAY_US])
    assert np.array_equal(np.concatenate([known.earlier, known.held_out]), known.rows)
    assert known.held_out_days == 7
    assert len(known.rows) > 1.4 * len(split_of().train)
    assert known.fraud_count == DATASET.is_fraud[known.rows].sum()


def test_days_to_learn_from_count_back_from_the_end_and_a_third_is_held_out_at_the_most() -> None:
    chosen = SETTINGS.model_copy(update={"split": SETTINGS.split.model_copy(update={"training_days": 12})})
    known = known_of(chosen)
    assert known.start_us == (UNTIL - DELAY - 12) * DAY_US
    assert known.held_out_days == 4
    assert [days_held_out(7, days) for days in (90, 21, 9, 2, 0.5)] == [7, 7, 3, 1, 1]


def test_days_held_out_without_a_known_fraud_are_told_before_anything_is_fitted() -> None:
    kept = DATASET.outcomes.reported_time_us < (UNTIL - DELAY - 7) * DAY_US
    unreported = replace(
        DATASET,
        outcomes=KnownOutcomes(
            DATASET.outcomes.row[kept],
            DATASET.outcomes.reported_time_us[kept],
            DATASET.outcomes.is_fraud[kept],
        ),
    )
    with pytest.raises(TooLittleHistoryError, match=r"newest days .* 0 are known frauds.*refit\.enabled"):
        known_of(dataset=unreported)


def test_what_is_settled_is_of_a_fit_that_left_the_newest_days_out() -> None:
    known, judged = known_of(), judged_fit(RECIPE)
    again = refit(judged, COLUMNS, DATASET, known, SETTINGS, Silent())
    label = DATASET.labels_at(known.until_us)
    rows = slice(known.earlier[0], known.earlier[-1] + 1)
    ages = ((known.held_out_start_us - DATASET.event_time_us[rows]) / DAY_US).astype(np.float32)
    first = fit(
        TrainingRows(
            DATASET.features.take(rows).load(),
            label[rows].astype(np.float32),
            np.ones(len(ages), np.float32),
            ages,
        ),
        RECIPE,
        threads=1,
        seed=SETTINGS.search.seed,
    )
    margin = first.margin(DATASET.features.take(known.held_out).load())
    by_hand = calibration.fit(margin, label[known.held_out], "auto")
    assert again.settled.calibration.describe() == by_hand.describe()
    alerts = (by_hand.probability(margin) >= np.float32(again.settled.thresholds.review)).sum()
    assert alerts == 6 * 7
    assert not np.array_equal(margin, again.fitted.margin(DATASET.features.take(known.held_out).load()))


def test_it_takes_the_inputs_of_the_judged_fit() -> None:
    judged = judged_fit(RECIPE | {"columns": 2})
    again = refit(judged, COLUMNS, DATASET, known_of(), SETTINGS, Silent())
    assert again.fitted.columns.tolist() == judged.columns.tolist()
    assert again.fitted.parameters == judged.parameters


def test_being_fresh_pays_where_fraud_changes() -> None:
    rows = windows(DATASET, split_of(), COLUMNS, UNTIL * DAY_US)
    judged = judged_fit(RECIPE)
    of_judged = settled(
        judged.margin(rows.calibrate.features),
        rows.calibrate.label,
        rows.calibrate.amount,
        7,
        SETTINGS.calibration,
        SETTINGS.thresholds,
    )
    again = refit(judged, COLUMNS, DATASET, known_of(), SETTINGS, Silent())
    later = slice(*np.searchsorted(DATASET.event_time_us, [UNTIL * DAY_US, DAYS * DAY_US]))
    truth = DATASET.is_fraud[later]
    found = {}
    for name, model, what in (("judged", judged, of_judged), ("served", again.fitted, again.settled)):
        margin = model.margin(DATASET.features.take(later).load())
        alert = what.calibration.probability(margin) >= np.float32(what.thresholds.review)
        found[name] = average_precision(truth, margin), (alert & truth).sum() / truth.sum()
    assert found["served"][0] > found["judged"][0] + 0.15
    assert found["served"][1] > found["judged"][1] + 0.1


def test_a_version_tells_apart_what_was_judged() -> None:
    told = known_of().document(served_model().settled, {"rows": 400.0})
    assert isinstance(told, Refit)
    model, data = served_model(), training_data()
    others = [served_model("logistic_regression"), served_model()]
    names = {model_version(model, data.refitted(told, judged), GateSettings(), "") for judged in others} | {
        model_version(model, data, GateSettings(), "")
    }
    assert len(names) == 3


def test_thresholds_by_rank_keep_to_the_budget_on_the_newest_days_without_their_labels() -> None:
    known, judged = known_of(), judged_fit(RECIPE)
    by_rank = SETTINGS.thresholds.model_copy(update={"method": "rank"})
    chosen = SETTINGS.model_copy(update={"thresholds": by_rank})
    again = refit(judged, COLUMNS, DATASET, known, chosen, Silent())
    newest = DATASET.features.take(known.newest).load()
    assert DATASET.event_time_us[known.newest[0]] >= known.end_us
    assert DATASET.event_time_us[known.newest[-1]] < known.until_us
    probability = again.settled.calibration.probability(again.fitted.margin(newest))
    assert (probability >= np.float32(again.settled.thresholds.review)).sum() == 6 * DELAY
    assert "newest days, whose labels are not known yet" in again.settled.thresholds.rationale
    later = DATASET.event_time_us >= known.end_us
    unlabelled = replace(DATASET, is_fraud=DATASET.is_fraud & ~later)
    assert (
        refit(judged, COLUMNS, unlabelled, known, chosen, Silent()).settled.thresholds
        == again.settled.thresholds
    )


def test_probabilities_move_to_the_share_of_the_newest_days_where_asked() -> None:
    known, judged = known_of(), judged_fit(RECIPE)
    moving = SETTINGS.calibration.model_copy(update={"prior_shift": True})
    chosen = SETTINGS.model_copy(update={"calibration": moving})
    features = DATASET.features.load().copy()
    features[known.newest[::5], 0] += 3  # a fifth more of the newest rows look like fraud
    later = replace(DATASET, features=Features.of(features))
    plain = refit(judged, COLUMNS, later, known, SETTINGS, Silent()).settled.calibration
    moved = refit(judged, COLUMNS, later, known, chosen, Silent()).settled.calibration
    assert "for a share of fraud estimated at" in moved.rationale
    zero = np.zeros(1)
    difference = moved.log_odds(zero) - plain.log_odds(zero)
    assert f"Moved by {difference[0]:+.3f} in log-odds" in moved.rationale
