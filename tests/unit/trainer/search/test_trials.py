from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from trainer.search.result import Curve, SearchResult, Trial

SHARED = np.random.default_rng(0).normal(scale=0.05, size=40)  # what all models find equally hard


def trial(scores: dict[int, float], noise: float = 0.0, **parameters: Any) -> Trial:
    """A trial with these average precisions by rounds; noise: what is its own in the replicates."""
    own = np.random.default_rng(len(scores)).normal(scale=noise, size=40)
    best = max(scores, key=lambda rounds: scores[rounds])
    curve = Curve(
        tuple(scores), tuple(scores.values()), tuple(tuple(s + SHARED + own) for s in scores.values())
    )
    settings = {"algorithm": "xgboost", "max_depth": 5, "rounds": max(scores)} | parameters
    return Trial(settings, scores[best], best, 1.0, finished=True, curve=curve)


def result(*trials: Trial) -> SearchResult:
    return SearchResult(tuple(sorted(trials, key=lambda each: -each.average_precision)))


def test_fewer_rounds_are_taken_that_are_no_worse() -> None:
    found = result(trial({100: 0.7, 200: 0.75, 300: 0.75}))
    assert found.best.rounds == 200
    choice = found.choice(1.0)
    assert choice.parameters == {"algorithm": "xgboost", "max_depth": 5, "rounds": 200}
    assert choice.text == "the best of all: average precision 0.7500"


def test_a_smaller_model_within_one_standard_error_is_taken_and_it_is_said_why() -> None:
    large, small = trial({200: 0.75}), trial({100: 0.74, 120: 0.745}, noise=0.02, max_depth=3)
    choice = result(large, small).choice(1.0)
    assert (choice.parameters["rounds"], choice.parameters["max_depth"]) == (100, 3)
    assert choice.average_precision == 0.74
    assert 0.01 < choice.standard_error < 0.03
    assert "0.7400 instead of 0.7500" in choice.text
    assert "300 comparisons a row instead of 1,000" in choice.text


def test_what_all_models_find_hard_does_not_excuse_a_worse_one() -> None:
    large, small = trial({200: 0.75}), trial({100: 0.74}, noise=1e-4, max_depth=3)
    assert result(large, small).choice(1.0).trial is large


@pytest.mark.parametrize("standard_errors", [0.0, 0.4])
def test_fewer_standard_errors_keep_nearer_to_the_best(standard_errors: float) -> None:
    large, small = trial({200: 0.75}), trial({100: 0.74}, noise=0.02, max_depth=3)
    assert result(large, small).choice(standard_errors).trial is large


def test_a_family_without_rounds_competes_with_its_own_cost() -> None:
    large = trial({200: 0.75})
    forest = Trial(
        {"algorithm": "random_forest", "trees": 40, "tree_depth": 10, "column_share": 0.5, "leaf_rows": 5},
        0.75,
        1,
        1.0,
        finished=True,
        curve=Curve((1,), (0.75,), (tuple(0.75 + SHARED),)),
    )
    choice = result(large, forest).choice(1.0)
    assert choice.trial is forest
    assert choice.cost == 400
    assert "rounds" not in choice.parameters


def test_a_trial_that_saw_fewer_folds_is_no_match_for_one_that_saw_all() -> None:
    curve = Curve((20,), (0.6,), ((0.6, 0.6),))
    whole = Trial(
        {"algorithm": "xgboost", "rounds": 20, "max_depth": 3}, 0.6, 20, 1.0, True, False, (0.8, 0.4), curve
    )
    cut = replace(
        whole,
        average_precision=0.7,
        folds=(0.7,),
        finished=False,
        curve=replace(curve, average_precision=(0.7,)),
    )
    assert SearchResult((whole, cut)).choice(1.0).trial is whole
