from __future__ import annotations

import numpy as np
import pytest

from trainer.evaluation.proportion import FEW, effective_number, is_of_few, share_interval, wilson


@pytest.mark.parametrize(
    ("hits", "number", "low", "high"),
    [
        # Newcombe (1998), table I, method 3: Wilson's score interval without correction for continuity.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_the_published_intervals(hits: int, number: int, low: float, high: float) -> None:
    found = wilson(hits / number, number)
    assert found == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_the_interval_is_the_same_seen_from_the_other_side_and_of_nothing_is_everything() -> None:
    low, high = wilson(0.2, 12.5)
    assert wilson(0.8, 12.5) == (pytest.approx(1 - high), pytest.approx(1 - low))
    assert wilson(1.0, 5)[1] == 1.0
    assert wilson(0.3, 0) == (0.0, 1.0)


def test_the_effective_number_is_of_accounts_and_fewer_where_one_has_most() -> None:
    account = np.array([7, 7, -1, 3])
    assert effective_number(np.ones(4), account) == pytest.approx(16 / 6)  # sums of 2, 1, 1
    assert effective_number(np.ones(4), np.arange(4)) == 4
    assert effective_number(np.array([100.0, 0, 1, 1]), account) == pytest.approx(102**2 / 10_002)
    assert effective_number(np.zeros(4), account) == 0


def test_a_share_of_money_is_as_sure_as_the_accounts_that_it_comes_from() -> None:
    stolen, caught = np.array([300.0, 100.0, 0.0]), np.array([300.0, 0.0, 0.0])
    found = share_interval(caught, stolen, np.arange(3))
    assert found.value == 0.75
    assert (found.low, found.high) == wilson(0.75, 400**2 / 100_000)


def test_a_share_of_nothing_is_none() -> None:
    found = share_interval(np.zeros(3), np.zeros(3), np.arange(3))
    assert np.isnan([found.value, found.low, found.high]).all()


def test_a_share_is_of_few_by_the_accounts_on_either_side() -> None:
    whole, many = np.ones(2 * FEW, dtype=np.bool_), np.arange(2 * FEW)
    half = many < FEW
    assert not is_of_few(half, whole, many)
    assert is_of_few(many < FEW - 1, whole, many)
    assert is_of_few(many <= FEW, whole, many)
    assert is_of_few(half, whole, many // 2)  # two rows an account
