from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.dataset.rows import TrainingRows
from trainer.models.imbalance import STRATEGIES, balanced, thinned


def rows(frauds: int, others: int, weight: float = 1.0) -> TrainingRows:
    """Rows whose only feature is their number."""
    n = frauds + others
    label = np.zeros(n, dtype=np.float32)
    label[np.random.default_rng(1).permutation(n)[:frauds]] = 1
    features = np.arange(n, dtype=np.float32)[:, None]
    age_days = np.linspace(90, 0, n, dtype=np.float32)
    return TrainingRows(features, label, np.full(n, weight, dtype=np.float32), age_days)


def numbers(chosen: TrainingRows) -> list[int]:
    return chosen.features[:, 0].astype(int).tolist()


def weight_of(chosen: TrainingRows, label: int) -> float:
    return float(chosen.weight[chosen.label == label].sum(dtype=np.float64))


def test_none_leaves_the_rows_as_they_are() -> None:
    given_rows = rows(5, 95)
    assert balanced(given_rows, "none", 0) is given_rows


def test_weight_makes_both_classes_weigh_the_same() -> None:
    chosen = balanced(rows(5, 95, weight=2.0), "weight", 0)
    assert weight_of(chosen, 1) == pytest.approx(190)
    assert weight_of(chosen, 0) == pytest.approx(190)


def test_weight_sqrt_raises_frauds_by_the_square_root_of_the_ratio() -> None:
    chosen = balanced(rows(4, 400), "weight_sqrt", 0)
    assert set(chosen.weight[chosen.label == 1].tolist()) == {10.0}
    assert set(chosen.weight[chosen.label == 0].tolist()) == {1.0}


def test_undersample_keeps_all_frauds_and_twenty_others_for_each() -> None:
    given_rows = rows(7, 1000)
    chosen = balanced(given_rows, "undersample", 0)
    assert int((chosen.label == 1).sum()) == 7
    assert int((chosen.label == 0).sum()) == 140
    assert numbers(chosen) == sorted(set(numbers(chosen)))
    assert (chosen.weight == 1).all()
    assert (given_rows.label[numbers(chosen)] == chosen.label).all()


def test_undersample_leaves_few_rows_as_they_are() -> None:
    given_rows = rows(10, 200)
    assert balanced(given_rows, "undersample", 0) is given_rows


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("limit", [25, 60, 150, 300, 900])
def test_thinned_rows_are_balanced_as_all_rows_are(strategy: str, limit: int) -> None:
    every = rows(10, 990)
    few = thinned(every, limit, 3)
    assert len(few) == limit
    whole, part = balanced(every, strategy, 0), balanced(few, strategy, 0)
    for label in (0, 1):
        assert weight_of(part, label) == pytest.approx(weight_of(whole, label))


def test_undersample_leaves_others_that_weigh_less_than_twenty_times_the_frauds() -> None:
    few = thinned(rows(10, 150), 100, 0)
    assert balanced(few, "undersample", 0) is few


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_same_seed_gives_the_same_rows(strategy: str) -> None:
    first, second = (balanced(rows(7, 1000), strategy, 11) for _ in range(2))
    assert numbers(first) == numbers(second)
    assert first.weight.tolist() == second.weight.tolist()


def test_another_seed_draws_other_rows() -> None:
    assert numbers(balanced(rows(7, 1000), "undersample", 1)) != numbers(
        balanced(rows(7, 1000), "undersample", 2)
    )
    assert numbers(thinned(rows(7, 1000), 100, 1)) != numbers(thinned(rows(7, 1000), 100, 2))


def test_an_unknown_strategy_is_told_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="'double' is none of none, weight, weight_sqrt, undersample, smote"):
        balanced(rows(1, 9), "double", 0)


@given(st.integers(0, 30), st.integers(1, 300), st.integers(1, 400), st.integers(0, 3))
def test_thinned_rows_keep_all_frauds_and_the_weight_of_the_others(
    frauds: int, others: int, limit: int, seed: int
) -> None:
    given_rows = rows(frauds, others, weight=0.5)
    chosen = thinned(given_rows, limit, seed)
    assert int((chosen.label == 1).sum()) == frauds
    assert weight_of(chosen, 1) == pytest.approx(0.5 * frauds)
    if frauds or limit:
        assert weight_of(chosen, 0) == pytest.approx(0.5 * others)
    assert len(chosen) <= max(limit, 2 * frauds, 1)
    assert numbers(chosen) == sorted(set(numbers(chosen)))


def test_few_enough_rows_are_not_thinned() -> None:
    given_rows = rows(3, 97)
    assert thinned(given_rows, 100, 0) is given_rows


def test_thinned_rows_are_the_same_for_the_same_seed() -> None:
    assert numbers(thinned(rows(9, 900), 90, 5)) == numbers(thinned(rows(9, 900), 90, 5))
