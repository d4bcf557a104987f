from __future__ import annotations

import numpy as np
import pytest

from kuntur.bundle import Thresholds
from trainer.evaluate import average_precision, calibration_error, figures, intervals


def floats(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def test_figures_on_six_transactions_are_those_worked_out_by_hand() -> None:
    label = np.array([True, False, True, False, False, True])
    probability = floats(0.9, 0.8, 0.6, 0.4, 0.2, 0.1)
    amount = np.array([100.0, 10.0, 300.0, 10.0, 10.0, 600.0])
    found = figures(label, probability, amount, 2.0, Thresholds(review=0.5, decline=0.85, rationale=""))
    assert found["rows"] == 6
    assert found["frauds"] == 3
    assert found["average_precision"] == pytest.approx((1 / 1 + 2 / 3 + 3 / 6) / 3)
    assert found["auc_roc"] == pytest.approx(5 / 9)  # of 9 pairs, 3 + 2 + 0 are in order
    assert found["alerts_per_day"] == 1.5
    assert found["declines_per_day"] == 0.5
    assert found["precision"] == pytest.approx(2 / 3)
    assert found["recall"] == pytest.approx(2 / 3)
    assert found["recall_by_value"] == pytest.approx(0.4)
    assert found["f1"] == pytest.approx(2 / 3)
    assert found["accuracy"] == pytest.approx(4 / 6)
    assert found["decline_precision"] == 1
    assert found["decline_recall"] == pytest.approx(1 / 3)
    assert found["decline_f1"] == pytest.approx(0.5)
    assert found["decline_accuracy"] == pytest.approx(4 / 6)
    squares = (0.1**2 + 0.8**2 + 0.4**2 + 0.4**2 + 0.2**2 + 0.9**2) / 6
    assert found["brier"] == pytest.approx(squares, rel=1e-6)
    logs = -np.log([0.9, 0.2, 0.6, 0.6, 0.8, 0.1]).mean()
    assert found["log_loss"] == pytest.approx(logs, rel=1e-6)


def test_figures_are_finite_when_no_alert_is_raised_and_scores_are_certain() -> None:
    label, probability = np.array([True, False]), floats(0.0, 1e-45)
    chosen = Thresholds(review=1, decline=1, rationale="")
    assert np.isfinite(list(figures(label, probability, np.array([0.0, 0.0]), 1.0, chosen).values())).all()


def test_calibration_error_is_the_gap_by_bin_weighed_by_rows() -> None:
    # Two bins: 3 rows of 0.2 with one fraud, 1 row of 0.9 that is none.
    probability, label = floats(0.2, 0.2, 0.2, 0.9), np.array([True, False, False, False])
    by_hand = (3 * abs(1 / 3 - 0.2) + 1 * abs(0 - 0.9)) / 4
    assert calibration_error(label, probability, bins=2) == pytest.approx(by_hand, rel=1e-6)


def test_calibration_error_takes_certainty_into_the_last_bin() -> None:
    assert calibration_error(np.array([True, False]), floats(1.0, 0.0)) == 0


def test_average_precision_without_fraud_is_0() -> None:
    assert average_precision(np.array([False, False]), floats(0.1, 0.2)) == 0


def test_intervals_are_around_the_figures_of_the_same_names() -> None:
    chance = np.random.default_rng(6)
    label = chance.random(3_000) < 0.05
    probability = np.clip(0.3 * label + chance.normal(0.3, 0.15, 3_000), 0, 1).astype(np.float32)
    amount, account = chance.lognormal(3, 1, 3_000), chance.integers(0, 400, 3_000)
    chosen = Thresholds(review=0.5, decline=0.8, rationale="")
    found = intervals(label, probability, amount, chosen, account, replicates=100)
    whole = figures(label, probability, amount, 7.0, chosen)
    assert set(found) == {"average_precision", "auc_roc", "recall", "recall_by_value"}
    for name, interval in found.items():
        assert interval.value == pytest.approx(whole[name], rel=1e-9)
        assert interval.low < interval.value < interval.high
