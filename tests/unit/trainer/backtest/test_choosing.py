"""What each fold fits: chosen as `train` would at the start of its test, without a look at it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from tests.unit.trainer.backtest.small import DAY_US, DELAY, RECIPE, bank, history, settings, with_rows
from trainer.backtest.choosing import Chosen, choose, problem_of
from trainer.backtest.folds import Fold, cut_folds
from trainer.backtest.output.recipes import told_recipes
from trainer.dataset.training_set import Dataset
from trainer.dataset.windows import windows
from trainer.models import Parameters
from trainer.progress import Silent
from trainer.search.problem import Problem
from trainer.search.result import Choice
from trainer.search.rounds import stopped_early
from trainer.search.window import problem_of_window
from trainer.settings.config import TrainerSettings
from trainer.settings.data import SplitSettings
from trainer.sources.split import TooLittleHistoryError, cut

TABLE, DATASET = bank()
SPLIT = SplitSettings(warm_up_days=1, select_days=4, calibrate_days=2, test_days=2)
SETTINGS = settings().model_copy(update={"split": SPLIT})
FOLDS = cut_folds(history(TABLE, DATASET), SETTINGS.backtest, SPLIT, DELAY)
EARLY = RECIPE | {"early_stopping": True, "rounds": 60}


def stopping(
    recipe: Parameters, problems: Sequence[Problem], chosen: TrainerSettings, progress: object
) -> list[Choice]:
    """Settles the rounds in this process."""
    del progress
    return [stopped_early(recipe, one, chosen.search.standard_errors, 1, 7) for one in problems]


def of(fold: Fold, dataset: Dataset = DATASET) -> Problem:
    return problem_of(fold, dataset, DELAY, SETTINGS)


def test_a_fold_searches_on_what_train_would_search_on_at_the_start_of_its_test() -> None:
    for fold in FOLDS:
        split = cut(DATASET.event_time_us, fold.test_start_us, SPLIT, DELAY)
        rows = windows(DATASET, split, np.arange(4), fold.test_start_us)  # the fifth column does not vary
        account = DATASET.account[split.select]
        assert (
            of(fold).digest()
            == problem_of_window(rows.training, rows.select, account, SETTINGS.search).digest()
        )
        assert split.test[-1] < fold.test[0]


def test_what_is_chosen_knows_nothing_of_the_test_nor_of_labels_that_were_reported_later() -> None:
    fold, chance = FOLDS[0], np.random.default_rng(2)
    later = np.flatnonzero(DATASET.event_time_us >= fold.test_start_us)
    unreported = np.flatnonzero(DATASET.event_time_us > fold.test_start_us - DELAY * DAY_US)
    changed = with_rows(DATASET, later, features=chance.normal(size=(len(later), 5)))
    changed = with_rows(changed, unreported, is_fraud=~DATASET.is_fraud[unreported])
    assert of(fold, changed).digest() == of(fold).digest()
    assert of(FOLDS[1], changed).digest() != of(FOLDS[1]).digest()


def test_each_fold_settles_its_own_rounds_and_the_report_says_what_train_would_do() -> None:
    found = choose(FOLDS, DATASET, EARLY, DELAY, SETTINGS, Silent(), stopping)
    expected = [stopped_early(EARLY, of(fold), 1.0, 1, 7) for fold in FOLDS]
    assert [one.parameters for one in found] == [choice.parameters for choice in expected]
    assert all(one.parameters["rounds"] in (20, 40, 60) for one in found)
    rounds = [type("Round", (), {"fold": fold})() for fold in FOLDS]
    lines = list(told_recipes(rounds, found, searched=False))
    assert len(lines) == len(FOLDS) + 1
    assert lines[0].startswith(f"Tested from {FOLDS[0].test_start}: xgboost, ")
    assert f"rounds {found[0].parameters['rounds']}" in lines[0]
    assert "train would search its own" in lines[-1]
    assert len(list(told_recipes(rounds, found, searched=True))) == len(FOLDS)


def test_a_recipe_with_its_rounds_is_fitted_as_it_is() -> None:
    assert choose(FOLDS, DATASET, RECIPE, DELAY, SETTINGS, Silent()) == [Chosen(RECIPE)] * len(FOLDS)


def test_a_window_that_cannot_choose_is_told() -> None:
    legitimate = with_rows(DATASET, np.arange(len(DATASET)), is_fraud=False)
    with pytest.raises(TooLittleHistoryError, match=r"training window of the fold .* 0 are known frauds"):
        of(FOLDS[0], legitimate)
