from __future__ import annotations

import json
import math

import numpy as np
import pytest

from trainer.evaluation.drift import drift, drifts, stability_index


def normal(n: int, mean: float = 0.0, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 1, n).astype(np.float32)


def test_the_index_is_the_one_worked_out_by_hand() -> None:
    # Half a row more in each of three bins of 3, 1, 0 and 1, 2, 1 rows: 3.5, 1.5, 0.5 and 1.5, 2.5, 1.5.
    p, q = (3.5 / 5.5, 1.5 / 5.5, 0.5 / 5.5), (1.5 / 5.5, 2.5 / 5.5, 1.5 / 5.5)
    by_hand = sum((b - a) * math.log(b / a) for a, b in zip(p, q, strict=True))
    assert stability_index(np.array([3.0, 1.0, 0.0]), np.array([1.0, 2.0, 1.0])) == pytest.approx(by_hand)


def by_chance(rows: int, bins: int) -> float:
    """Returns the index that two windows of one distribution exceed once in twenty times.

    It is about 2 / rows times a chi-squared of bins - 1 degrees (Yurdakul, 2018), here by the approximation
    of Wilson and Hilferty (1931).
    """
    degrees = bins - 1
    spread = 2 / (9 * degrees)
    return 2 / rows * degrees * (1 - spread + 1.6449 * math.sqrt(spread)) ** 3


def test_rows_of_one_distribution_stay_below_what_chance_gives() -> None:
    found = [drift("a", normal(2_000, seed=2 * s), normal(2_000, seed=2 * s + 1)).psi for s in range(60)]
    beyond = sum(psi > by_chance(2_000, bins=10) for psi in found)
    assert 0 <= beyond <= 9  # about one in twenty
    assert np.mean(found) == pytest.approx(9 * 2 / 2_000, rel=0.25)


@pytest.mark.parametrize(("mean", "psi"), [(0.3, 0.09), (0.5, 0.25), (1.0, 1.0)])
def test_a_moved_mean_shows_as_its_square(mean: float, psi: float) -> None:
    # For two normals of one width the index without bins is the square of the move; bins lose a little.
    found = drift("a", normal(50_000), normal(50_000, mean, seed=2)).psi
    assert 0.8 * psi < found < 1.05 * psi


def test_values_that_go_missing_are_a_shift() -> None:
    values = normal(5_000)
    gone = np.where(np.arange(5_000) % 2 == 0, np.nan, values).astype(np.float32)
    found = drift("a", values, gone)
    assert found.psi > 0.25
    assert found.test[-1] == 0.5
    assert found.training[-1] == 0


@pytest.mark.parametrize("later", [0.0, 2.0, 1.5])
def test_a_feature_of_one_value_shows_any_other(later: float) -> None:
    same, other = np.full(500, 1.0, dtype=np.float32), np.full(500, later, dtype=np.float32)
    assert drift("a", same, same).psi == pytest.approx(0, abs=1e-9)
    assert drift("a", same, other).psi > 1


def test_a_flag_has_its_two_values_in_bins_of_their_own() -> None:
    flag = (np.arange(1_000) < 40).astype(np.float32)
    found = drift("a", flag, np.ones(1_000, dtype=np.float32))
    assert found.training.tolist() == pytest.approx([0.96, 0.04, 0.0])
    assert found.test.tolist() == [0.0, 1.0, 0.0]


def test_shares_add_up_and_the_document_says_which_bin_is_which() -> None:
    training = np.column_stack([normal(3_000), np.full(3_000, np.nan, dtype=np.float32)])
    first, unset = drifts(training, training[:100], ("account_count_1h", "attribute.none"))
    for shares in (first.training, first.test, unset.training, unset.test):
        assert shares.sum() == pytest.approx(1)
    document = first.document()
    assert json.loads(json.dumps(document)) == document
    assert document["bins"][0]["low"] is None
    assert document["bins"][0]["high"] == document["bins"][1]["low"]
    assert document["bins"][-1]["label"] == "unset"
    assert [entry["training"] for entry in unset.document()["bins"]] == [0.0, 1.0]


def test_more_rows_than_are_looked_at_give_the_same_shift() -> None:
    training, test = normal(450_000)[:, None], normal(450_000, 0.5, seed=3)[:, None]
    few, whole = drifts(training, test, ("a",))[0], drift("a", training[:, 0], test[:, 0])
    assert few.psi == pytest.approx(whole.psi, rel=0.03)


def test_a_feature_that_nearly_always_has_one_value_shows_a_move_to_either_side() -> None:
    training = np.zeros(10_000, dtype=np.float32)
    training[:900], training[-10:] = -1, 3
    for moved_to in (-1.0, 3.0):
        later = np.zeros(1_000, dtype=np.float32)
        later[:600] = moved_to
        assert drift("x", training, later).psi > 1
