from __future__ import annotations

import json
from typing import Literal

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from trainer.calibration import Calibration, PlattCalibration, fit, fit_isotonic, fit_platt
from trainer.evaluation.evaluate import average_precision, calibration_error


def drawn(slope: float, intercept: float, n: int = 60_000) -> tuple[np.ndarray, np.ndarray]:
    """Margins, and labels drawn with the probabilities that slope and intercept say."""
    chance = np.random.default_rng(5)
    margin = chance.normal(-3, 2, n).astype(np.float32)
    probability = 1 / (1 + np.exp(-(slope * margin.astype(np.float64) + intercept)))
    return margin, chance.random(n) < probability


def by_onnx(calibration: Calibration, margin: np.ndarray) -> np.ndarray:
    nodes, constants = calibration.nodes()
    graph = helper.make_graph(
        nodes,
        "calibration",
        [helper.make_tensor_value_info("margin", TensorProto.FLOAT, [None])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, [None])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    result: np.ndarray = session.run(None, {"margin": margin})[0]
    return result


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, 0.0), (0.5, -1.0), (2.0, 1.5)])
def test_fit_recovers_the_slope_and_intercept_behind_the_labels(slope: float, intercept: float) -> None:
    found = fit_platt(*drawn(slope, intercept))
    assert found.slope == pytest.approx(slope, rel=0.06)
    assert found.intercept == pytest.approx(intercept, abs=0.12)


def test_fit_does_not_depend_on_the_scale_of_the_margins() -> None:
    margin, label = drawn(1.0, 0.0, n=5_000)
    plain, shares = fit_platt(margin, label), fit_platt(margin * np.float32(1e-3), label)
    np.testing.assert_allclose(
        plain.probability(margin), shares.probability(margin * np.float32(1e-3)), rtol=1e-3
    )


def test_a_margin_that_says_the_contrary_keeps_its_order() -> None:
    margin, label = drawn(1.0, 0.0, n=5_000)
    found = fit_platt(margin, ~label)
    assert found.slope > 0


@pytest.mark.parametrize("centre", [-6.0, 0.0, 40.0])
def test_a_margin_that_says_the_contrary_gives_the_share_of_fraud(centre: float) -> None:
    margin = np.random.default_rng(2).normal(centre, 2, 20_000).astype(np.float32)
    label = margin < np.quantile(margin, 0.01)
    assert fit_platt(margin, label).probability(margin).mean() == pytest.approx(0.01, rel=1e-3)


def test_a_constant_margin_gives_the_share_of_fraud() -> None:
    label = np.arange(1000) < 50
    found = fit_platt(np.full(1000, -2.5, dtype=np.float32), label)
    assert found.probability(np.array([-2.5], dtype=np.float32))[0] == pytest.approx(0.05, abs=1e-3)


def test_one_fraud_is_enough_to_fit() -> None:
    label = np.zeros(500, dtype=np.bool_)
    label[7] = True
    margin = np.linspace(-4, 4, 500, dtype=np.float32)
    found = fit_platt(margin, label)
    assert np.isfinite([found.slope, found.intercept]).all()


MARGINS = st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=30)
SLOPES, INTERCEPTS = st.floats(1e-6, 1e4), st.floats(-100, 100)


@given(MARGINS, SLOPES, INTERCEPTS)
def test_probabilities_are_in_the_order_of_the_margins_and_between_0_and_1(
    values: list[float], slope: float, intercept: float
) -> None:
    margin = np.sort(np.array(values, dtype=np.float32))
    probability = PlattCalibration(slope, intercept).probability(margin)
    assert np.isfinite(probability).all()
    assert ((probability >= 0) & (probability <= 1)).all()
    assert (np.diff(probability) >= 0).all()


@settings(max_examples=50)
@given(MARGINS, SLOPES, INTERCEPTS)
def test_numpy_and_onnx_give_the_same_probabilities(
    values: list[float], slope: float, intercept: float
) -> None:
    margin, calibration = np.array(values, dtype=np.float32), PlattCalibration(slope, intercept)
    np.testing.assert_allclose(
        by_onnx(calibration, margin), calibration.probability(margin), rtol=1e-6, atol=1e-38
    )


@pytest.mark.parametrize("margin", [-np.inf, -3e38, -1e4, -90.0, 90.0, 1e4, 3e38, np.inf])
def test_extreme_margins_give_finite_probabilities_in_onnx_as_well(margin: float) -> None:
    (probability,) = by_onnx(PlattCalibration(1.0, 0.0), np.array([margin], dtype=np.float32))
    assert 0 <= probability <= 1
    assert probability > 0.5 if margin > 0 else probability < 0.5


def test_far_from_0_the_order_of_legitimate_transactions_is_kept() -> None:
    margin = np.arange(-80, -20, dtype=np.float32)
    assert (np.diff(by_onnx(PlattCalibration(1.0, 0.0), margin)) > 0).all()


def bent(n: int = 60_000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Margins whose log-odds are no line of them, the labels drawn with their probabilities, and these."""
    chance = np.random.default_rng(8)
    margin = chance.normal(-3, 2, n).astype(np.float32)
    log_odds = np.where(margin < -1, margin - 2, 4 * margin.astype(np.float64) + 1)
    probability = 1 / (1 + np.exp(-np.minimum(log_odds, 2.0)))
    return margin, chance.random(n) < probability, probability


def test_isotonic_finds_a_curve_that_no_line_is() -> None:
    margin, label, probability = bent()
    error = {
        kind.__name__: np.abs(kind(margin, label).probability(margin) - probability).mean()
        for kind in (fit_platt, fit_isotonic)
    }
    assert error["fit_isotonic"] < 0.25 * error["fit_platt"]
    assert calibration_error(label, fit_isotonic(margin, label).probability(margin)) < 0.002


def test_isotonic_loses_no_order() -> None:
    margin, label, _ = bent()
    probability = fit_isotonic(margin, label).probability(margin)
    order = np.argsort(margin, kind="stable")
    assert (np.diff(probability[order]) >= 0).all()
    assert len(np.unique(probability)) > 0.99 * len(np.unique(margin))
    assert average_precision(label, probability) == pytest.approx(average_precision(label, margin), abs=1e-6)


def test_isotonic_on_a_straight_line_is_that_line() -> None:
    margin, label = drawn(1.0, 0.0)
    inner = np.linspace(-5, 1, 50, dtype=np.float32)
    truth = 1 / (1 + np.exp(-inner.astype(np.float64)))
    np.testing.assert_allclose(fit_isotonic(margin, label).probability(inner), truth, rtol=0.25, atol=0.01)


def test_a_block_of_fraud_alone_is_not_certain_and_one_without_fraud_not_impossible() -> None:
    margin, label = drawn(1.0, 0.0, n=3_000)
    label |= margin > 1.5
    label &= margin > -5
    found = fit_isotonic(margin, label)
    lowest, highest = found.margins[[0, -1]].astype(np.float32)
    assert not label[margin <= lowest].any()
    assert label[margin >= highest].all()
    probability = found.probability(np.array([lowest, highest]))
    assert 1e-4 < probability[0] < 0.01
    assert 0.9 < probability[1] < 0.999


@pytest.mark.parametrize("centre", [-6.0, 40.0])
def test_isotonic_gives_the_share_of_fraud_where_margins_say_the_contrary(centre: float) -> None:
    margin = np.random.default_rng(2).normal(centre, 2, 20_000).astype(np.float32)
    label = margin < np.quantile(margin, 0.01)
    found = fit_isotonic(margin, label)
    assert found.probability(margin).mean() == pytest.approx(0.01, rel=1e-2)
    assert found.end_slope > 0


@st.composite
def fitted_isotonic(draw: st.DrawFn) -> Calibration:
    chance = np.random.default_rng(draw(st.integers(0, 10**6)))
    n, places = draw(st.integers(2, 60)), draw(st.integers(1, 60))
    scale = draw(st.sampled_from([1e-6, 1e-2, 1.0, 1e3]))
    margin = (chance.integers(0, places, n) * scale + chance.normal() * scale).astype(np.float32)
    label = chance.random(n) < chance.random()
    label[0], label[1] = False, True
    return fit_isotonic(margin, label)


@settings(max_examples=20, deadline=None)
@given(fitted_isotonic(), MARGINS)
def test_isotonic_is_the_same_in_numpy_and_onnx_and_in_the_order_of_the_margins(
    calibration: Calibration, values: list[float]
) -> None:
    margin = np.sort(np.array(values, dtype=np.float32))
    probability = by_onnx(calibration, margin)
    np.testing.assert_allclose(probability, calibration.probability(margin), rtol=1e-6, atol=1e-38)
    assert (np.diff(probability) >= 0).all()
    assert ((probability >= 0) & (probability <= 1)).all()


def test_isotonic_in_onnx_scores_its_own_points_and_the_steps_beside_them() -> None:
    margin, label, _ = bent(5_000)
    found = fit_isotonic(margin, label)
    points = found.margins.astype(np.float32)
    around = np.concatenate([points, np.nextafter(points, np.float32(-np.inf)), margin])
    np.testing.assert_allclose(by_onnx(found, around), found.probability(around), rtol=1e-6)
    assert len(points) > 3


def test_few_frauds_get_two_numbers_and_the_reason_is_told() -> None:
    margin, label, _ = bent()
    few = np.flatnonzero(label)[:99]
    rows = np.concatenate([np.flatnonzero(~label), few])
    found = fit(margin[rows], label[rows])
    assert isinstance(found, PlattCalibration)
    assert "99 rows of the rarer class are too few" in found.rationale


def test_many_frauds_on_a_curve_get_isotonic_and_on_a_line_platt() -> None:
    margin, label, _ = bent(12_000)
    curve, line = fit(margin, label), fit(*drawn(1.0, 0.0, n=6_000))
    assert curve.describe()["method"] == "isotonic"
    assert "lowers the log loss by" in curve.rationale
    assert line.describe()["method"] == "platt"
    assert "not enough" in line.rationale


@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_the_settings_decide_over_the_choice(method: Literal["platt", "isotonic"]) -> None:
    found = fit(*drawn(1.0, 0.0, n=2_000), method=method).describe()
    assert found["method"] == method
    assert "as the settings say" in found["rationale"]
    assert json.loads(json.dumps(found)) == found
