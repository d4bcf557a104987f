"""Intervals against scikit-learn's weighted figures, against copies of rows, and against what theory says."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from trainer.evaluation import bootstrap


def rows(n: int, seed: int, accounts: int = 50) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns label, score with many ties, account."""
    chance = np.random.default_rng(seed)
    label = chance.random(n) < 0.2
    score = np.round(chance.normal(size=n) + label, 1).astype(np.float32)
    return label, score, chance.integers(0, accounts, n)


def interval(figure: bootstrap.Weighted, account: np.ndarray, seed: int) -> bootstrap.Interval:
    drawn = bootstrap.replicates([figure], account, 200, seed)
    return bootstrap.Interval.of(figure(np.ones(len(account))), drawn[:, 0])


@pytest.mark.parametrize(
    ("statistic", "reference"),
    [(bootstrap.average_precision, average_precision_score), (bootstrap.auc_roc, roc_auc_score)],
)
@pytest.mark.parametrize("seed", range(5))
def test_weighted_figures_are_those_of_scikit_learn(statistic: object, reference: object, seed: int) -> None:
    label, score, _ = rows(400, seed)
    weight = np.random.default_rng(seed).integers(0, 4, 400).astype(np.float64)
    found = statistic(label, score)(weight)
    assert found == pytest.approx(reference(label, score, sample_weight=weight), abs=1e-12)


def test_a_row_that_weighs_twice_counts_as_two_rows() -> None:
    label, score, _ = rows(300, 3)
    weight = np.random.default_rng(0).integers(0, 3, 300)
    copies = np.repeat(np.arange(300), weight)
    amount = np.random.default_rng(1).random(300)
    for statistic, again in (
        (bootstrap.average_precision, bootstrap.average_precision),
        (bootstrap.auc_roc, bootstrap.auc_roc),
        (bootstrap.value_recall_at(amount, 20), bootstrap.value_recall_at(amount[copies], 20)),
    ):
        copied = again(label[copies], score[copies])(np.ones(len(copies)))
        assert statistic(label, score)(weight.astype(np.float64)) == pytest.approx(copied, abs=1e-12)


def test_value_recall_at_counts_the_money_in_the_highest_scores() -> None:
    label = np.array([True, False, True, True])
    amount, score = np.array([10.0, 99.0, 30.0, 60.0]), np.array([0.9, 0.8, 0.7, 0.1])
    figure = bootstrap.value_recall_at(amount, 3)(label, score)
    assert figure(np.ones(4)) == pytest.approx(0.4)


def test_figures_that_need_a_fraud_are_nan_without_one() -> None:
    label, score, _ = rows(20, 0)
    none = np.zeros_like(label)
    for statistic in (
        bootstrap.average_precision,
        bootstrap.auc_roc,
        bootstrap.value_recall_at(np.ones(20), 5),
    ):
        assert math.isnan(statistic(none, score)(np.ones(20)))


def test_a_replicate_draws_whole_groups_and_as_many_as_there_are() -> None:
    groups = np.array([7, 7, -3, 12, 12, 12, -3])
    for drawn in bootstrap.weights(groups, 30, 5):
        of_group = {int(group): set(drawn[groups == group]) for group in np.unique(groups)}
        assert all(len(found) == 1 for found in of_group.values())
        assert sum(next(iter(found)) for found in of_group.values()) == 3


def test_the_same_seed_gives_the_same_replicates_and_another_seed_others() -> None:
    label, score, account = rows(500, 2)
    first, again, other = (
        bootstrap.average_precision_replicates(label, score, account, 20, seed) for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_rows_that_repeat_within_an_account_make_nothing_surer() -> None:
    label, score, _ = rows(300, 4)
    account = np.arange(300)
    once = interval(bootstrap.average_precision(label, score), account, 1)
    label, score, account = (np.tile(values, 9) for values in (label, score, account))
    nine = interval(bootstrap.average_precision(label, score), account, 1)
    assert (nine.high - nine.low) == pytest.approx(once.high - once.low, rel=0.05)


def test_intervals_hold_the_true_figure_about_as_often_as_they_say() -> None:
    # Frauds score N(1, 1), others N(0, 1): the true AUC is Φ(1/√2). Rows of one account share a shift.
    truth, held = 0.5 * (1 + math.erf(0.5)), 0
    for seed in range(120):
        chance = np.random.default_rng(seed)
        account = np.repeat(np.arange(150), 2)
        label = chance.random(300) < 0.3
        score = chance.normal(size=300) + label
        found = interval(bootstrap.auc_roc(label, score), account, seed)
        held += found.low <= truth <= found.high
    assert 0.88 * 120 <= held <= 119


def test_two_hundred_replicates_of_seventy_thousand_rows_take_two_seconds_at_the_most() -> None:
    label, score, account = rows(70_000, 8, accounts=5_000)
    start = time.process_time()
    bootstrap.average_precision_replicates(label, score, account, 200, 1)
    assert time.process_time() - start < 2
