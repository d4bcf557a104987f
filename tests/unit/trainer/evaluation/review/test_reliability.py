from __future__ import annotations

import numpy as np
import pytest

from trainer.evaluation.proportion import wilson
from trainer.evaluation.review.recalibration import recalibration
from trainer.evaluation.review.reliability import around, by_expected_frauds, by_rows

ACCOUNT = np.arange(8)
LABEL = np.array([False, False, False, False, False, True, False, True])
PROBABILITY = np.array([0.01, 0.01, 0.02, 0.03, 0.05, 0.1, 0.4, 0.9], dtype=np.float32)


def drawn(
    n: int = 20_000, slope: float = 1.0, shift: float = 0.0, seed: int = 8
) -> tuple[np.ndarray, np.ndarray]:
    """Returns labels, and probabilities whose log-odds are right once times `slope` plus `shift`."""
    chance = np.random.default_rng(seed)
    log_odds = chance.normal(-3, 1.5, n)
    label = chance.random(n) < 1 / (1 + np.exp(-(slope * log_odds + shift)))
    return label, 1 / (1 + np.exp(-log_odds))


def test_bins_of_as_many_rows_are_those_worked_out_by_hand() -> None:
    low, high = by_rows(LABEL, PROBABILITY, ACCOUNT, parts=2)
    assert (low.rows, low.frauds, high.rows, high.frauds) == (4, 0, 4, 2)
    assert (low.low, low.high) == (pytest.approx(0.01), pytest.approx(0.03))
    assert low.predicted == pytest.approx(0.0175, rel=1e-5)
    assert (high.observed, high.observed_low, high.observed_high) == (0.5, *wilson(0.5, 4))
    assert low.holds
    assert high.holds


def test_bins_of_as_many_expected_frauds_cut_where_the_sum_of_probabilities_does() -> None:
    # The sum is 1.52: the first half of it is reached by the last row only.
    bins = by_expected_frauds(LABEL, PROBABILITY, ACCOUNT, parts=3)
    assert [each.rows for each in bins] == [7, 1]  # 0.507 is reached within 0.4, 1.013 within 0.9
    assert [each.frauds for each in bins] == [1, 1]


def test_equal_probabilities_share_a_bin_and_every_row_is_in_one() -> None:
    same = np.full(8, 0.25, dtype=np.float32)
    (only,) = by_rows(LABEL, same, ACCOUNT)
    assert (only.rows, only.frauds) == (8, 2)
    label, probability = drawn()
    for cut in (by_rows, by_expected_frauds):
        bins = cut(label, probability, np.arange(len(label)))
        assert sum(each.rows for each in bins) == len(label)
        assert sum(each.frauds for each in bins) == label.sum()
        assert len(bins) == 10
    assert by_expected_frauds(LABEL, np.zeros(8), ACCOUNT) == ()


def test_right_probabilities_hold_in_about_as_many_bins_as_the_intervals_say() -> None:
    for cut in (by_rows, by_expected_frauds):
        hold = 0
        for seed in range(20):
            label, probability = drawn(5_000, seed=seed)
            hold += sum(each.holds for each in cut(label, probability, np.arange(len(label))))
        assert 180 <= hold <= 199  # of 200, 190 at 95 %


def test_around_a_threshold_are_the_rows_of_half_to_twice_its_odds() -> None:
    found = around(LABEL, PROBABILITY, ACCOUNT, 0.05)  # odds from 1/38 to 2/19: 0.0256 to 0.0952
    assert found is not None
    assert (found.rows, found.low, found.high) == (2, pytest.approx(0.03), pytest.approx(0.05))
    assert around(LABEL, PROBABILITY, ACCOUNT, 0.999) is None
    assert around(LABEL, PROBABILITY, ACCOUNT, 0.0) is around(LABEL, PROBABILITY, ACCOUNT, 1.0) is None


def test_right_probabilities_have_a_slope_of_1_and_an_intercept_of_0() -> None:
    label, probability = drawn()
    found = recalibration(label, probability, np.arange(len(label)))
    assert found.slope is not None
    assert found.intercept is not None
    assert found.slope.low < 1 < found.slope.high
    assert found.intercept.low < 0 < found.intercept.high
    assert found.ratio.low < 1 < found.ratio.high
    assert found.ratio.value == pytest.approx(label.sum() / probability.sum())


def test_a_slope_and_a_shift_are_found_again() -> None:
    label, probability = drawn(slope=0.5)
    found = recalibration(label, probability, np.arange(len(label)))
    assert found.slope is not None
    assert found.slope.value == pytest.approx(0.5, abs=0.05)
    label, probability = drawn(shift=0.7)
    found = recalibration(label, probability, np.arange(len(label)))
    assert found.intercept is not None
    assert found.intercept.value == pytest.approx(0.7, abs=0.1)


def test_intervals_of_the_slope_are_over_accounts() -> None:
    label, probability = drawn(4_000)
    alone = recalibration(label, probability, np.arange(len(label))).slope
    ten = [np.repeat(values, 10) for values in (label, probability, np.arange(len(label)))]
    together = recalibration(*ten).slope
    assert alone is not None
    assert together is not None
    assert together.value == pytest.approx(alone.value, rel=1e-6)
    assert together.high - together.low == pytest.approx(alone.high - alone.low, rel=1e-6)


def test_too_few_frauds_and_parted_classes_have_no_slope() -> None:
    few = recalibration(LABEL, PROBABILITY, ACCOUNT)
    assert few.slope is few.intercept is None
    assert few.observed == 2
    label = np.arange(40) >= 20
    assert (
        recalibration(label, np.where(label, 0.9, 0.1) + np.linspace(0, 0.05, 40), np.arange(40)).slope
        is None
    )
