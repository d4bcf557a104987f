from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuntur.bundle import Thresholds
from trainer.config import ThresholdSettings
from trainer.evaluate import average_precision, calibration_error, figures, thresholds


def floats(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


@given(
    st.lists(st.sampled_from([0.0, 1e-30, 0.01, 0.3, 0.30000001, 0.9, 1.0]), min_size=1, max_size=80),
    st.floats(0.1, 30),
    st.floats(0.1, 5),
    st.floats(0.1, 5),
)
def test_thresholds_keep_to_the_alert_budget_also_with_equal_scores(
    values: list[float], days: float, review: float, decline: float
) -> None:
    settings = ThresholdSettings(review_alerts_per_day=review, decline_alerts_per_day=decline)
    probability = floats(*values)
    chosen = thresholds(probability, days, settings)
    assert 0 <= chosen.review <= chosen.decline <= 1
    for threshold, budget in ((chosen.review, review), (chosen.decline, decline)):
        alerts = int((probability >= np.float32(threshold)).sum())
        # Certain fraud is an alert at any threshold: no probability lies above 1.
        assert alerts <= budget * days or (probability == 1).sum() == alerts


def test_a_threshold_uses_the_whole_budget_where_scores_differ() -> None:
    probability = np.random.default_rng(0).permutation(np.linspace(0, 0.9, 1000)).astype(np.float32)
    settings = ThresholdSettings(review_alerts_per_day=5, decline_alerts_per_day=2)
    chosen = thresholds(probability, 10, settings)
    assert int((probability >= np.float32(chosen.review)).sum()) == 50
    assert int((probability >= np.float32(chosen.decline)).sum()) == 20


def test_a_budget_above_all_rows_reviews_everything() -> None:
    chosen = thresholds(floats(0.1, 0.2), 10, ThresholdSettings())
    assert chosen.review == 0


def test_the_rationale_tells_the_budget_and_the_days() -> None:
    settings = ThresholdSettings(review_alerts_per_day=30, decline_alerts_per_day=2.5)
    rationale = thresholds(floats(0.1), 7, settings).rationale
    assert "at most 30 reviews a day" in rationale
    assert "at most 2.5 are declined" in rationale
    assert "7 days" in rationale


def test_a_threshold_survives_the_way_through_json_as_float32() -> None:
    probability = floats(0.1, 0.2, 0.3, 0.4)
    chosen = thresholds(probability, 1, ThresholdSettings(review_alerts_per_day=2, decline_alerts_per_day=1))
    again = Thresholds.model_validate_json(chosen.model_dump_json())
    assert (probability >= np.float32(again.review)).tolist() == [False, False, True, True]
    assert (probability >= np.float32(again.decline)).tolist() == [False, False, False, True]


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
    assert found["decline_precision"] == 1
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
