"""Early stopping: the curve and the rule of a search, on one recipe."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.unit.trainer.samples import parameters, training_rows
from trainer.models.gradient_boosting import REPORT_ROUNDS
from trainer.models.recipe import RecipeError
from trainer.models.recipes import checked
from trainer.search.problem import Problem
from trainer.search.result import SearchResult, Trial
from trainer.search.rounds import PATIENCE_ROUNDS, asks_for_early_stopping, stopped_early
from trainer.search.trial import curve_of, grown

ROWS = training_rows(1_600)
JUDGED = slice(1_200, 1_600)
PROBLEM = Problem.of_window(
    ROWS.take(np.arange(1_200)), ROWS.features[JUDGED], ROWS.label[JUDGED] == 1, np.arange(400) // 2
)
RECIPE = parameters("xgboost", rounds=300, learning_rate=0.3) | {"early_stopping": True}


def whole_curve(recipe: dict[str, Any]) -> Trial:
    """The trial of a recipe that grows to its end."""
    seen: list[dict[str, Any]] = []

    def report(found: dict[str, Any]) -> bool:
        seen.append(found)
        return True

    grown(recipe, PROBLEM, [None], 1, 7, report)
    last = seen[-1]
    return Trial(recipe, last["average_precision"], last["rounds"], 0, True, curve=curve_of(last))


def test_the_rounds_are_those_that_a_search_of_this_one_setting_takes() -> None:
    plain = {name: value for name, value in RECIPE.items() if name != "early_stopping"}
    trial = whole_curve(plain)
    for standard_errors in (0.0, 1.0):
        choice = stopped_early(RECIPE, PROBLEM, standard_errors, 1, 7)
        expected = SearchResult((trial,)).choice(standard_errors)
        assert choice.parameters == expected.parameters
        assert choice.text == expected.text
    assert int(choice.parameters["rounds"]) < 300
    assert "early_stopping" not in choice.parameters


def test_a_model_that_gets_no_better_is_grown_no_further() -> None:
    choice = stopped_early(RECIPE, PROBLEM, 0.0, 1, 7)
    curve = choice.trial.curve
    assert curve.rounds[-1] == choice.trial.rounds + PATIENCE_ROUNDS < 300
    assert curve.rounds == tuple(range(REPORT_ROUNDS, curve.rounds[-1] + 1, REPORT_ROUNDS))


def test_a_family_without_rounds_is_taken_as_it_is() -> None:
    recipe = parameters("logistic_regression")
    assert stopped_early(recipe, PROBLEM, 1.0, 1, 7).parameters == recipe


def test_a_recipe_says_so_by_its_key() -> None:
    assert asks_for_early_stopping(RECIPE)
    assert not asks_for_early_stopping({"algorithm": "xgboost", "rounds": 10})
    found = checked(RECIPE)
    assert (found["rounds"], found["early_stopping"]) == (300, True)
    with pytest.raises(RecipeError, match="early_stopping is true or false; not 40"):
        checked(RECIPE | {"early_stopping": 40})
    with pytest.raises(RecipeError, match="random_forest has no 'early_stopping'"):
        checked(parameters("random_forest") | {"early_stopping": True})
