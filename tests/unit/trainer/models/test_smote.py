from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from trainer.dataset.rows import TrainingRows
from trainer.models.imbalance import balanced, thinned
from trainer.models.smote import smote


def rows(frauds: int, others: int) -> TrainingRows:
    """Frauds around (100, 1), the rest around (0, 0); a third column that no fraud has."""
    chance = np.random.default_rng(5)
    label = np.repeat(np.array([1, 0], dtype=np.float32), [frauds, others])
    features = chance.normal(size=(frauds + others, 3)).astype(np.float32)
    features[:frauds] += np.array([100, 1, 0], dtype=np.float32)
    features[:frauds, 2] = np.nan
    ones = np.ones(len(label), dtype=np.float32)
    return TrainingRows(features, label, ones, ones)


def test_synthetic_frauds_lie_between_real_ones_behind_the_rows_as_they_were() -> None:
    given = rows(20, 500)
    found = smote(given, 3)
    assert len(found) == 520 + 100
    assert np.array_equal(found.features[:520], given.features, equal_nan=True)
    made, real = found.features[520:], given.features[:20]
    assert (found.label[520:] == 1).all()
    assert (made[:, :2] >= real[:, :2].min(axis=0)).all()
    assert (made[:, :2] <= real[:, :2].max(axis=0)).all()
    assert len(np.unique(made[:, 0])) > 90
    assert np.isnan(made[:, 2]).all()
    assert np.isnan(found.age_days[520:]).all()


def test_a_value_that_one_parent_has_is_that_parents_and_never_the_filling() -> None:
    given = rows(40, 500)
    given.features[:20, 1] = np.nan
    given.features[20:40, 1] = np.arange(20)
    made = smote(given, 3).features[540:, 1]
    known = made[~np.isnan(made)]
    assert 0 < len(known) < len(made)
    assert known.min() >= 0
    assert known.max() <= 19


def test_synthetic_frauds_weigh_five_times_the_real_ones_and_never_more_than_the_rest() -> None:
    for others, wanted in ((500, 100.0), (70, 50.0)):
        found = smote(rows(20, others), 3)
        assert found.weight[20 + others :].sum() == pytest.approx(wanted)


def test_heavier_rows_make_as_many_synthetic_frauds() -> None:
    given = rows(20, 500)
    heavy = replace(given, weight=given.weight * np.float32(3))
    assert len(smote(heavy, 3)) == len(smote(given, 3))
    assert smote(heavy, 3).weight[-1] == pytest.approx(3 * smote(given, 3).weight[-1])


@pytest.mark.parametrize(("frauds", "others"), [(1, 50), (0, 50), (20, 20)])
def test_frauds_without_a_neighbour_or_too_many_stay_as_they_are(frauds: int, others: int) -> None:
    given = rows(frauds, others)
    assert smote(given, 3) is given


def test_two_frauds_are_enough() -> None:
    assert len(smote(rows(2, 500), 3)) == 512


def test_thinned_rows_get_the_synthetic_frauds_of_all_rows() -> None:
    every = rows(20, 2000)
    few = thinned(every, 200, 0)
    assert np.array_equal(
        balanced(every, "smote", 1).features[2020:], balanced(few, "smote", 1).features[200:], equal_nan=True
    )
