from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ray import tune

from tests.unit.trainer.samples import parameters, training_rows
from trainer.evaluation.bootstrap import average_precision_replicates
from trainer.evaluation.evaluate import average_precision
from trainer.fitting.fit import fit
from trainer.search.problem import Fold, Problem
from trainer.search.trial import REPLICATES, flat, run_trial

ROWS = training_rows(2000)
GROUPS = np.arange(300) // 3


def problem(folds: int) -> Problem:
    """Folds that learn from the first 1,000, 1,300 ... rows and are judged on the 300 behind."""
    cut = [1000 + 300 * number for number in range(folds)]
    return Problem(
        ROWS.features,
        ROWS.weight,
        tuple(
            Fold(
                (0, end),
                (end, end + 300),
                ROWS.label[:end],
                ROWS.age_days[:end],
                ROWS.label[end : end + 300] == 1,
                GROUPS,
            )
            for end in cut
        ),
    )


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What trials report, one after the other."""
    seen: list[dict[str, Any]] = []
    monkeypatch.setattr(tune, "report", seen.append)
    return seen


def run(given: Problem, settings: dict[str, Any]) -> None:
    run_trial(settings, given, [None] * len(given.folds), 1, 3)


def test_a_trial_of_one_fold_reports_as_it_grows_and_at_its_end(reported: list[dict[str, Any]]) -> None:
    run(problem(1), parameters("xgboost", rounds=50))
    assert [report["curve"]["rounds"] for report in reported] == [[20], [20, 40], [20, 40, 50]]
    last = reported[-1]
    scores = last["curve"]["average_precision"]
    assert last["average_precision"] == max(scores)
    assert last["rounds"] == last["curve"]["rounds"][scores.index(max(scores))]
    assert [len(drawn) for drawn in last["curve"]["replicates"]] == [REPLICATES] * 3


def test_what_is_reported_is_what_a_fit_of_as_many_rounds_comes_to(reported: list[dict[str, Any]]) -> None:
    settings = parameters("xgboost", rounds=20)
    run(problem(1), settings)
    (fold,) = problem(1).folds
    margin = fit(problem(1).training(fold), settings, threads=1, seed=3).margin(problem(1).judge(fold))
    assert reported[-1]["average_precision"] == pytest.approx(average_precision(fold.truth, margin))
    drawn = average_precision_replicates(fold.truth, margin, GROUPS, REPLICATES, 0)
    np.testing.assert_allclose(reported[-1]["curve"]["replicates"][0], drawn, atol=1e-6)


@pytest.mark.parametrize("name", ["xgboost", "random_forest"])
def test_a_trial_of_several_folds_reports_the_mean_of_those_so_far(
    reported: list[dict[str, Any]], name: str
) -> None:
    run(problem(3), parameters(name))
    assert [len(report["folds"]) for report in reported] == [1, 2, 3]
    for report in reported:
        assert report["average_precision"] == pytest.approx(np.mean(report["folds"]))
    assert reported[0]["folds"][0] == pytest.approx(reported[2]["folds"][0])


def test_rounds_are_chosen_for_all_folds_together(reported: list[dict[str, Any]]) -> None:
    settings = parameters("xgboost", rounds=60, learning_rate=0.5)
    run(problem(2), settings)
    curves = []
    for fold in problem(2).folds:
        alone = Problem(ROWS.features, ROWS.weight, (fold,))
        run(alone, settings)
        curves.append(reported[-1]["curve"]["average_precision"])
    together = reported[1]["curve"]["average_precision"]
    np.testing.assert_allclose(together, np.mean(curves, axis=0))
    assert reported[1]["rounds"] == [20, 40, 60][int(np.argmax(together))]


def test_settings_of_hyperopt_lie_one_level_down() -> None:
    assert flat({"setting": {"algorithm": "xgboost", "rounds": 3}}) == {"algorithm": "xgboost", "rounds": 3}
    assert flat({"algorithm": "xgboost", "rounds": 3}) == {"algorithm": "xgboost", "rounds": 3}
