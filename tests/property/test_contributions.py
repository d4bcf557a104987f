"""Contributions against XGBoost's own, and against Shapley's formula term by term."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import xgboost as xgb

from kuntur.reasons import Explanation, read_explanation
from tests.unit.trainer.samples import CALIBRATION, features, fitted, training_rows
from trainer.export import build_explanation
from trainer.export.parity import ParityError
from trainer.models import FAMILIES, FittedModel
from trainer.models.forest import Forest
from trainer.models.gradient_boosting import BoostedTrees

TOLERANCE = 1e-4


def _rows(n: int, columns: int, seed: int = 0) -> npt.NDArray[np.float32]:
    """Returns rows of few different values, so that thresholds are met, with a tenth unset."""
    chance = np.random.default_rng(seed)
    rows = chance.normal(size=(n, columns)).round(1).astype(np.float32)
    rows[chance.random(rows.shape) < 0.1] = np.nan
    return rows


def _boosted(rows: npt.NDArray[np.float32], rounds: int, **settings: Any) -> BoostedTrees:
    known = np.nan_to_num(rows)
    noise = np.random.default_rng(1).normal(size=len(rows))
    label = known[:, 0] * known[:, 1] + known[:, -1] + 0.3 * noise > 1.2
    fixed = {"objective": "binary:logistic", "base_score": 0.5, "min_child_weight": 0.1, "nthread": 1}
    return BoostedTrees(xgb.train({**fixed, **settings}, xgb.DMatrix(rows, label), rounds))


def _explained(model: FittedModel, rows: npt.NDArray[np.float32]) -> Explanation:
    content = build_explanation(model, CALIBRATION, rows)
    assert content is not None
    return read_explanation(content, rows.shape[1])


def _assert_as_xgboost(model: BoostedTrees, rows: npt.NDArray[np.float32]) -> None:
    explanation = _explained(model, rows)
    contributions = explanation.contributions(rows)
    wanted = model.booster.predict(xgb.DMatrix(rows, nthread=1), pred_contribs=True)
    assert contributions.dtype == np.float64
    assert np.abs(contributions - wanted[:, :-1]).max() < TOLERANCE
    assert np.abs(wanted[:, -1] - explanation.base).max() < TOLERANCE
    total = contributions.sum(axis=1) + explanation.base
    assert np.abs(total - model.margin(rows)).max() < TOLERANCE


def test_ten_thousand_rows_add_up_to_the_margin_and_are_as_xgboost_has_them() -> None:
    rows = _rows(10_000, 12)
    rows[:12] = np.nan  # nothing known, and then one feature alone
    rows[np.arange(12), np.arange(12)] = 1.0
    rows[12] = np.nan
    _assert_as_xgboost(_boosted(rows, 30, max_depth=6, subsample=0.8, colsample_bytree=0.7), rows)


@pytest.mark.parametrize(
    ("columns", "settings"),
    [
        (2, {"max_depth": 12, "min_child_weight": 0}),  # the same two features again and again on a path
        (3, {"max_depth": 0, "grow_policy": "lossguide", "max_leaves": 200, "min_child_weight": 0.01}),
        (30, {"max_depth": 14, "min_child_weight": 0.01, "colsample_bynode": 0.2}),
        (5, {"max_depth": 5, "gamma": 3.0}),  # grown and pruned again
        (5, {"max_depth": 3, "num_parallel_tree": 3, "subsample": 0.5, "base_score": 0.07}),
        (4, {"max_depth": 1, "learning_rate": 1.0}),
    ],
)
def test_trees_of_every_shape_are_explained_as_xgboost_does(columns: int, settings: dict[str, Any]) -> None:
    rows = _rows(1_000, columns, seed=columns)
    _assert_as_xgboost(_boosted(rows, 12, **settings), rows[:300])


def test_trees_of_a_single_leaf_leave_everything_to_the_base() -> None:
    rows = _rows(200, 3)
    model = _boosted(rows, 4, gamma=1e9)
    _assert_as_xgboost(model, rows)
    assert not _explained(model, rows).contributions(rows).any()
    empty = BoostedTrees(_boosted(rows, 0).booster)
    assert _explained(empty, rows).base == 0.0


def test_a_model_that_was_stopped_early_is_explained_by_the_trees_it_has() -> None:
    rows = training_rows()
    judge = rows.features[:100]
    settings = {"rounds": 60, "max_depth": 4, "learning_rate": 0.1}
    model = FAMILIES["xgboost"].fit(
        rows, settings, threads=1, seed=3, judge=judge, on_round=lambda rounds, _: rounds < 40
    )
    assert isinstance(model, BoostedTrees)
    assert model.booster.num_boosted_rounds() == 40
    _assert_as_xgboost(model, rows.features)


def _mean(tree: Any, node: int, row: Any, known: set[int], unset: float) -> float:
    """Returns the expected value of a tree that looks at the known features of a row only."""
    left, right = tree.children_left[node], tree.children_right[node]
    if left == -1:
        return float(tree.value[node, 0, 0])
    if tree.feature[node] in known:
        value = row[tree.feature[node]]
        filled = unset if math.isnan(value) else value
        return _mean(tree, left if filled <= tree.threshold[node] else right, row, known, unset)
    cover = tree.weighted_n_node_samples
    parts = [cover[side] / cover[node] * _mean(tree, side, row, known, unset) for side in (left, right)]
    return sum(parts)


def test_a_forest_has_the_shapley_values_of_its_shares_scaled_to_log_odds() -> None:
    rows = training_rows(400, columns=4)
    model = fitted("random_forest", rows, trees=3, tree_depth=9)
    assert isinstance(model, Forest)
    some = features(12, columns=4, seed=8)
    explanation = _explained(model, some)
    assert explanation.scale == pytest.approx(CALIBRATION.slope)
    contributions = explanation.in_margin(some)

    def share(row: Any, known: tuple[int, ...]) -> float:
        trees = [estimator.tree_ for estimator in model.forest.estimators_]
        return sum(_mean(tree, 0, row, set(known), -1e6) for tree in trees) / len(trees)

    for row, given in zip(some.tolist(), contributions.tolist(), strict=True):
        for feature in range(4):
            others = [other for other in range(4) if other != feature]
            shapley = 0.0
            for size in range(4):
                weight = 1 / (4 * math.comb(3, size))
                for known in combinations(others, size):
                    shapley += weight * (share(row, (*known, feature)) - share(row, known))
            assert given[feature] == pytest.approx(shapley, abs=1e-9)
    total = contributions.sum(axis=1) + explanation.base
    assert np.abs(total - model.margin(some)).max() < TOLERANCE
    assert np.allclose(explanation.contributions(some), contributions * CALIBRATION.slope)


def test_a_linear_model_has_weight_times_departure_and_nothing_for_what_is_unset() -> None:
    model = fitted("logistic_regression")
    rows = features(500, seed=2)
    rows[0] = [np.inf, -np.inf, 0.0, np.nan, 3e38]
    explanation = _explained(model, rows)
    contributions = explanation.contributions(rows)
    assert (contributions[np.isnan(rows)] == 0).all()
    assert np.isfinite(contributions).all()
    total = contributions.sum(axis=1) + explanation.base
    assert np.abs(total - model.margin(rows)).max() < TOLERANCE


@pytest.mark.parametrize("name", ["xgboost", "random_forest", "logistic_regression"])
def test_the_same_model_gives_the_same_bytes(name: str) -> None:
    rows = features(50)
    first, second = (build_explanation(fitted(name), CALIBRATION, rows) for _ in range(2))
    assert first == second


def test_a_model_whose_margin_is_another_is_not_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    model = fitted("xgboost")
    monkeypatch.setattr(BoostedTrees, "margin", lambda _, rows: np.full(len(rows), 0.5, dtype=np.float32))
    with pytest.raises(ParityError, match="miss the margin"):
        build_explanation(model, CALIBRATION, features(20))


def test_a_kind_of_model_without_reasons_has_no_explanation() -> None:
    class Other(FittedModel):
        def margin(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
            return np.zeros(len(features), dtype=np.float32)

        def graph(self) -> Any:
            raise NotImplementedError

        def importance(self) -> npt.NDArray[np.float64]:
            return np.zeros(1)

    assert build_explanation(Other(), CALIBRATION, features(5)) is None
