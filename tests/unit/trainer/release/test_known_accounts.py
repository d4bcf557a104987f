"""Accounts known to be compromised: the definition of the backtest, and figures with and without them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kuntur.bundle.bundle import Thresholds
from tests.unit.trainer.backtest.small import DAY_US, DELAY, bank, history, settings
from trainer.backtest.folds import cut_folds
from trainer.evaluation.evaluate import figures
from trainer.release.known_accounts import known_accounts, known_before
from trainer.settings.data import SplitSettings
from trainer.sources.split import cut

TABLE, DATASET = bank()
CHOSEN = Thresholds(review=0.5, decline=0.9, rationale="")


def test_they_are_those_that_a_backtest_leaves_out_of_the_same_week() -> None:
    told = history(TABLE, DATASET)
    chosen = settings(folds=1, train_days=5).backtest
    (fold,) = cut_folds(told, chosen, SplitSettings(warm_up_days=1), DELAY)
    split = cut(
        DATASET.event_time_us, fold.test_end_us + DELAY * DAY_US, SplitSettings(warm_up_days=1), DELAY
    )
    assert (split.test_start_us, split.test_end_us) == (fold.test_start_us, fold.test_end_us)
    numbered = replace(DATASET, account=told.account)
    known = known_before(numbered, split, told.known_until_us, 5, "America/Lima")
    assert known.sum() == fold.removed > 0
    assert np.array_equal(split.test[~known], fold.test)


def test_labels_that_were_reported_after_until_make_nobody_known() -> None:
    until_us = int(DATASET.event_time_us[-1])
    split = cut(DATASET.event_time_us, until_us, SplitSettings(warm_up_days=1), DELAY)
    before = known_before(DATASET, split, until_us, 7, "America/Lima")
    late = DATASET.outcomes.reported_time_us > split.test_start_us
    nothing_yet = replace(
        DATASET,
        outcomes=replace(DATASET.outcomes, is_fraud=DATASET.outcomes.is_fraud & late),
    )
    assert before.sum() > known_before(nothing_yet, split, split.test_start_us, 7, "America/Lima").sum() == 0


def test_figures_without_them_are_those_of_all_other_rows() -> None:
    chance = np.random.default_rng(1)
    label, known = chance.random(500) < 0.1, chance.random(500) < 0.2
    probability, amount = chance.random(500).astype(np.float32), chance.gamma(2, 40, 500)
    found = known_accounts(known, label, probability, amount, 7, CHOSEN, None)
    assert (found.rows, found.frauds) == (known.sum(), (known & label).sum())
    assert found.without == figures(label[~known], probability[~known], amount[~known], 7, CHOSEN)
    assert known_accounts(label, label, probability, amount, 7, CHOSEN, None).without is None
