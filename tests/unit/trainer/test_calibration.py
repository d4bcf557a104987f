from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from trainer.calibration import Calibration, fit


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
    found = fit(*drawn(slope, intercept))
    assert found.slope == pytest.approx(slope, rel=0.06)
    assert found.intercept == pytest.approx(intercept, abs=0.12)


def test_fit_does_not_depend_on_the_scale_of_the_margins() -> None:
    margin, label = drawn(1.0, 0.0, n=5_000)
    plain, shares = fit(margin, label), fit(margin * np.float32(1e-3), label)
    np.testing.assert_allclose(
        plain.probability(margin), shares.probability(margin * np.float32(1e-3)), rtol=1e-3
    )


def test_a_margin_that_says_the_contrary_keeps_its_order() -> None:
    margin, label = drawn(1.0, 0.0, n=5_000)
    found = fit(margin, ~label)
    assert found.slope > 0


@pytest.mark.parametrize("centre", [-6.0, 0.0, 40.0])
def test_a_margin_that_says_the_contrary_gives_the_share_of_fraud(centre: float) -> None:
    margin = np.random.default_rng(2).normal(centre, 2, 20_000).astype(np.float32)
    label = margin < np.quantile(margin, 0.01)
    assert fit(margin, label).probability(margin).mean() == pytest.approx(0.01, rel=1e-3)


def test_a_constant_margin_gives_the_share_of_fraud() -> None:
    label = np.arange(1000) < 50
    found = fit(np.full(1000, -2.5, dtype=np.float32), label)
    assert found.probability(np.array([-2.5], dtype=np.float32))[0] == pytest.approx(0.05, abs=1e-3)


def test_one_fraud_is_enough_to_fit() -> None:
    label = np.zeros(500, dtype=np.bool_)
    label[7] = True
    margin = np.linspace(-4, 4, 500, dtype=np.float32)
    found = fit(margin, label)
    assert np.isfinite([found.slope, found.intercept]).all()


MARGINS = st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=30)
SLOPES, INTERCEPTS = st.floats(1e-6, 1e4), st.floats(-100, 100)


@given(MARGINS, SLOPES, INTERCEPTS)
def test_probabilities_are_in_the_order_of_the_margins_and_between_0_and_1(
    values: list[float], slope: float, intercept: float
) -> None:
    margin = np.sort(np.array(values, dtype=np.float32))
    probability = Calibration(slope, intercept).probability(margin)
    assert np.isfinite(probability).all()
    assert ((probability >= 0) & (probability <= 1)).all()
    assert (np.diff(probability) >= 0).all()


@settings(max_examples=50)
@given(MARGINS, SLOPES, INTERCEPTS)
def test_numpy_and_onnx_give_the_same_probabilities(
    values: list[float], slope: float, intercept: float
) -> None:
    margin, calibration = np.array(values, dtype=np.float32), Calibration(slope, intercept)
    np.testing.assert_allclose(
        by_onnx(calibration, margin), calibration.probability(margin), rtol=1e-6, atol=1e-38
    )


@pytest.mark.parametrize("margin", [-np.inf, -3e38, -1e4, -90.0, 90.0, 1e4, 3e38, np.inf])
def test_extreme_margins_give_finite_probabilities_in_onnx_as_well(margin: float) -> None:
    (probability,) = by_onnx(Calibration(1.0, 0.0), np.array([margin], dtype=np.float32))
    assert 0 <= probability <= 1
    assert probability > 0.5 if margin > 0 else probability < 0.5


def test_far_from_0_the_order_of_legitimate_transactions_is_kept() -> None:
    margin = np.arange(-80, -20, dtype=np.float32)
    assert (np.diff(by_onnx(Calibration(1.0, 0.0), margin)) > 0).all()
