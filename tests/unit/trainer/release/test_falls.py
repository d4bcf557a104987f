"""Many segments compared at once: equal models seldom fail, and a fall is found among many."""

from __future__ import annotations

import numpy as np

from trainer.gate.falls import surely_falls

DRAWS, SEGMENTS = 200, 30


def drawn(seed: int, truth: np.ndarray, spread: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    """Returns differences as they come out, and replicates around them."""
    chance = np.random.default_rng(seed)
    difference = truth + spread * chance.standard_normal(len(truth))
    return difference, difference + spread * chance.standard_normal((DRAWS, len(truth)))


def test_equal_models_fail_about_as_often_as_the_confidence_allows_however_many_segments() -> None:
    equal = np.zeros(SEGMENTS)
    failed = sum(surely_falls(*drawn(seed, equal), 0.9).any() for seed in range(200))
    assert failed <= 40  # 20 are allowed; each segment by itself at 0.9 would fail 190
    alone = sum(surely_falls(*drawn(seed, equal[:1]), 0.9).any() for seed in range(200))
    assert 8 <= alone <= 34


def test_a_large_fall_is_found_among_thirty_segments() -> None:
    truth = np.zeros(SEGMENTS)
    truth[4] = -0.3
    for seed in range(20):
        fallen = surely_falls(*drawn(seed, truth), 0.9)
        assert fallen[4]
        assert fallen.sum() <= 2


def test_what_was_found_leaves_the_bound_of_the_others() -> None:
    # By the largest fall of all three the second, of 2.2 spreads, is not sure; without the first it is.
    chance = np.random.default_rng(0)
    replicates = np.column_stack([chance.standard_normal(2_000), chance.standard_normal(2_000)])
    difference = np.array([-9.0, -1.5])
    fallen = surely_falls(difference, difference + replicates, 0.9)
    both_bound = np.quantile((-replicates).max(axis=1), 0.9)
    assert both_bound > 1.5
    assert fallen.tolist() == [True, True]


def test_no_fall_without_a_figure_or_without_a_difference_between_draws() -> None:
    nothing = np.full((50, 1), np.nan)
    assert surely_falls(np.array([np.nan]), nothing, 0.9).tolist() == [False]
    assert surely_falls(np.array([-0.5]), np.full((50, 1), -0.5), 0.9).tolist() == [False]
    assert surely_falls(np.zeros(0), np.zeros((50, 0)), 0.9).tolist() == []
