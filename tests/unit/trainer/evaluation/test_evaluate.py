from __future__ import annotations

import time

import numpy as np
import pytest

from kuntur.bundle.bundle import Thresholds
from trainer.evaluation.evaluate import (
    INTERVAL_NOTE,
    average_precision,
    calibration_error,
    figures,
    intervals,
)
from trainer.settings.judging import ThresholdSettings


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


Window = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
CHOSEN = Thresholds(review=0.5, decline=0.65, rationale="")


def window(n: int = 3_000, accounts: int = 400) -> Window:
    """Returns label, probability, amount, account."""
    chance = np.random.default_rng(6)
    label = chance.random(n) < 0.05
    probability = np.clip(0.3 * label + chance.normal(0.3, 0.15, n), 0, 1).astype(np.float32)
    return label, probability, chance.lognormal(3, 1, n), chance.integers(0, accounts, n)


def test_every_figure_that_is_an_estimate_lies_within_its_interval() -> None:
    label, probability, amount, account = window()
    costs = ThresholdSettings(method="cost")
    whole = figures(label, probability, amount, 7.0, CHOSEN, costs)
    found = intervals(label, probability, amount, 7.0, CHOSEN, account, costs, replicates=100)
    assert set(whole) - set(found) == {"rows", "frauds", "expected_calibration_error"}
    assert {"decline_f1", "declines_per_day", "cost_per_day"} <= set(found)
    assert "calibration error has none" in INTERVAL_NOTE
    for name, interval in found.items():
        assert interval.value == whole[name], name
        assert interval.low < interval.value < interval.high, name


def test_the_replicates_of_alerts_a_day_are_those_of_accounts_drawn_again() -> None:
    # All alerts are of one account of two: it is drawn 0, 1 or 2 times, twice in a quarter of the draws.
    label, probability = np.array([True, False, False]), floats(0.9, 0.8, 0.1)
    account = np.array([4, 4, 7])
    chosen = Thresholds(review=0.5, decline=1, rationale="")
    found = intervals(label, probability, np.ones(3), 2.0, chosen, account, replicates=200)
    alerts = found["alerts_per_day"]
    assert (alerts.value, alerts.low, alerts.high) == (1.0, 0.0, 2.0)


def test_a_share_of_nothing_is_0_without_an_interval() -> None:
    label, probability, amount, account = window(300)
    chosen = Thresholds(review=0.5, decline=1, rationale="")
    probability = np.minimum(probability, np.float32(0.9))
    found = intervals(label, probability, amount, 7.0, chosen, account, replicates=20)
    assert found["decline_precision"].value == 0
    assert np.isnan([found["decline_precision"].low, found["decline_precision"].high]).all()
    assert found["decline_recall"].low == 0 < found["decline_recall"].high  # none of few is not certain


def test_two_hundred_replicates_of_sixty_thousand_rows_take_two_seconds_at_the_most() -> None:
    label, probability, amount, account = window(60_000, accounts=5_000)
    start = time.process_time()
    intervals(label, probability, amount, 7.0, CHOSEN, account, replicates=200)
    assert time.process_time() - start < 2
