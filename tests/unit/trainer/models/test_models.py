"""Each family's exported model against the library that fitted it, by ONNX Runtime and without the gate."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.unit.trainer.samples import CALIBRATION, features, fitted, parameters, served, training_rows
from trainer.dataset.rows import TrainingRows
from trainer.models import FAMILIES, FittedModel
from trainer.models.base import Splits
from trainer.models.forest import Forest
from trainer.models.imbalance import STRATEGIES, balanced, thinned

FAMILY_NAMES = sorted(FAMILIES)
TREE_FAMILIES = ("random_forest", "xgboost")
SHAPES: list[tuple[str, dict[str, Any]]] = [
    ("xgboost", {}),
    ("xgboost", {"rounds": 1}),
    ("xgboost", {"rounds": 60, "max_depth": 2}),
    ("xgboost", {"min_child_weight": 1e9}),  # no split is allowed: one leaf a tree
    ("xgboost", {"max_depth": 25, "min_child_weight": 0.0, "rounds": 4}),
    ("xgboost", {"num_parallel_tree": 3, "colsample_bynode": 0.5, "rounds": 8, "max_delta_step": 1}),
    ("xgboost", {"max_depth": 0, "max_leaves": 12, "grow_policy": "lossguide", "max_bin": 64}),
    ("random_forest", {}),
    ("random_forest", {"trees": 1}),
    ("random_forest", {"leaf_rows": 10**6}),
    ("random_forest", {"tree_depth": 60, "leaf_rows": 1, "column_share": 1.0}),
    ("logistic_regression", {}),
    ("logistic_regression", {"inverse_penalty": 1e-12}),
]


def same(model: FittedModel, rows: np.ndarray) -> None:
    """Asserts that the exported model scores rows as the library does."""
    with np.errstate(over="ignore"):
        wanted = CALIBRATION.probability(model.margin(rows))
    np.testing.assert_allclose(served(model, rows.shape[1])(rows), wanted, rtol=0, atol=2e-6)


@pytest.mark.parametrize(("name", "changes"), SHAPES)
def test_the_exported_model_scores_as_the_library_does(name: str, changes: dict[str, Any]) -> None:
    model = fitted(name, **changes)
    same(model, features(2000, seed=9))


@pytest.mark.parametrize("name", FAMILY_NAMES)
def test_an_unset_feature_is_scored_as_the_library_does(name: str) -> None:
    rows = np.repeat(features(40, seed=9), 6, axis=0)
    for place in range(len(rows)):
        if place % 6 < 5:
            rows[place, place % 6] = np.nan
        else:
            rows[place] = np.nan
    same(fitted(name), rows)


@pytest.mark.parametrize("name", TREE_FAMILIES)
def test_values_on_a_threshold_and_one_step_beside_take_the_branch_of_the_library(name: str) -> None:
    model = fitted(name)
    splits = model.splits()
    assert splits is not None
    assert len(splits.column) > 50
    base = features(len(splits.column), seed=4)
    for direction in (None, -np.inf, np.inf):
        rows, threshold = base.copy(), splits.threshold
        if direction is not None:
            threshold = np.nextafter(threshold, np.float32(direction))
        rows[np.arange(len(rows)), splits.column] = threshold
        same(model, rows)


@pytest.mark.parametrize("name", FAMILY_NAMES)
@pytest.mark.parametrize("value", [1e30, -1e30, 3.4028235e38, -3.4028235e38, 1e-45, -1e-45, 1e-39, 0.0, -0.0])
def test_extreme_values_are_scored_as_the_library_does(name: str, value: float) -> None:
    rows = np.repeat(features(5, seed=2), 5, axis=0)
    rows[np.arange(25), np.tile(np.arange(5), 5)] = value
    same(fitted(name), np.concatenate([rows, np.full((1, 5), value, dtype=np.float32)]))


@pytest.mark.parametrize("name", FAMILY_NAMES)
@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinity_is_scored_as_the_largest_number_is(name: str, value: float) -> None:
    rows = np.repeat(features(5, seed=2), 5, axis=0)
    rows[np.arange(25), np.tile(np.arange(5), 5)] = value
    scorer = served(fitted(name))
    given = scorer(rows)
    assert np.isfinite(given).all()
    largest = np.finfo(np.float32).max
    assert given.tolist() == scorer(np.clip(rows, -largest, largest)).tolist()


@pytest.mark.parametrize("name", FAMILY_NAMES)
def test_a_model_with_one_column_is_exported(name: str) -> None:
    model = fitted(name, training_rows(columns=1))
    same(model, features(500, columns=1, seed=9))


@pytest.mark.parametrize("name", FAMILY_NAMES)
def test_a_column_that_never_varies_is_exported(name: str) -> None:
    rows = training_rows()
    rows.features[:, 2] = 7
    probes = features(500, seed=9)
    same(fitted(name, rows), probes)


@pytest.mark.parametrize("name", FAMILY_NAMES)
def test_a_rows_score_has_the_same_bits_alone_and_in_a_frame_of_any_size(name: str) -> None:
    scorer, rows = served(fitted(name)), features(1200, seed=9)
    whole = scorer(rows).view(np.uint32)
    for size in (1, 2, 3, 7, 64, 511, 1024):
        count = min(len(rows), 40 * size)
        parts = [scorer(rows[start : start + size]) for start in range(0, count, size)]
        given = np.concatenate(parts).view(np.uint32)
        assert np.array_equal(given, whole[: len(given)])


def test_an_early_stopped_model_is_exported_as_it_was_stopped() -> None:
    seen: list[int] = []

    def stop_at_40(rounds: int, margin: np.ndarray) -> bool:
        assert margin.shape == (50,)
        seen.append(rounds)
        return rounds < 40

    settings = parameters("xgboost", rounds=200)
    model = FAMILIES["xgboost"].fit(
        training_rows(), settings, threads=1, seed=3, judge=features(50), on_round=stop_at_40
    )
    assert seen == [20, 40]
    values = model.tree_values(features(3))
    assert values is not None
    assert values.shape == (3, 40)
    same(model, features(800, seed=9))


@pytest.mark.parametrize("name", TREE_FAMILIES)
def test_what_the_trees_add_is_the_margin(name: str) -> None:
    model, rows = fitted(name), features(300, seed=9)
    values = model.tree_values(rows)
    assert values is not None
    np.testing.assert_allclose(values.sum(axis=1, dtype=np.float64), model.margin(rows), atol=1e-5)


@pytest.mark.parametrize("name", FAMILY_NAMES)
def test_the_same_seed_fits_the_same_model(name: str) -> None:
    rows = features(200, seed=9)
    assert fitted(name).margin(rows).tolist() == fitted(name).margin(rows).tolist()


@pytest.mark.parametrize("name", FAMILY_NAMES)
def test_a_model_finds_the_pattern_and_tells_which_columns_matter(name: str) -> None:
    model, rows = fitted(name), training_rows(seed=20)
    margin = model.margin(rows.features)
    assert margin[rows.label == 1].mean() > margin[rows.label == 0].mean()
    importance = model.importance()
    assert importance.sum() == pytest.approx(1)
    assert importance[[0, 4]].sum() > 0.5  # the two that the label was made of


@pytest.mark.parametrize("name", FAMILY_NAMES)
def test_a_weight_counts_as_rows_do(name: str) -> None:
    rows = training_rows()
    heavy = replace(rows, weight=np.where(rows.label == 1, 50, 1).astype(np.float32))
    probes = features(500, seed=9)
    assert fitted(name, heavy).margin(probes).mean() > fitted(name, rows).margin(probes).mean()


def draws_a_tree(rows: TrainingRows) -> set[float]:
    """Fits a forest and gives how many rows its trees drew."""
    model = fitted("random_forest", rows)
    assert isinstance(model, Forest)
    return {float(tree.tree_.weighted_n_node_samples[0]) for tree in model.forest.estimators_}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_tree_of_thinned_rows_draws_as_many_as_one_of_all_rows(
    strategy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.models.forest._ROWS_A_TREE", 300)
    rows = training_rows(4000)
    few = thinned(rows, 1500, 0)
    assert len(few) < len(rows)
    assert draws_a_tree(balanced(rows, strategy, 0)) == draws_a_tree(balanced(few, strategy, 0)) == {300}


def test_a_tree_of_few_rows_draws_as_many_as_there_are() -> None:
    assert draws_a_tree(training_rows(200)) == {200}


def test_a_model_without_a_split_matters_to_no_column() -> None:
    assert fitted("xgboost", min_child_weight=1e9).importance().tolist() == [0.0] * 5


def test_splits_know_their_way_to_the_root() -> None:
    left, right = np.array([1, -1, 3, -1, -1]), np.array([2, -1, 4, -1, -1])
    column, threshold = np.array([0, 0, 1, 0, 0]), np.array([0.5, 0, 0.7, 0, 0])
    unset_left = np.array([1, 0, 0, 0, 0], dtype=np.bool_)
    tree = (left, right, column, threshold, unset_left)
    found = Splits.of_trees([tree] * 2, equal_left=True, meets_unset=True)
    assert found.column.tolist() == [0, 1, 0, 1]
    assert found.parent.tolist() == [-1, 0, -1, 2]
    assert found.right.tolist() == [False, True, False, True]
    assert found.unset_left is not None
    assert found.unset_left.tolist() == [True, False, True, False]
    assert Splits.of_trees([tree], equal_left=True, meets_unset=False).unset_left is None
