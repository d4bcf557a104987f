"""The share of fraud found without labels, and probabilities moved to it."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest

from tests.unit.trainer.samples import features, fitted
from trainer.calibration import PlattCalibration, estimated_share, fit_isotonic, prior_shift
from trainer.export import build_onnx

SHARE = 0.06
CALIBRATION = PlattCalibration(1.0, float(np.log(SHARE / (1 - SHARE))))


def margins(share: float, rows: int = 60_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Margins of which CALIBRATION gives the probability where SHARE of the rows are fraud, and the labels.

    Normal in both classes, of variance 4 and 4 apart: their log-likelihood ratio is the margin itself.
    """
    chance = np.random.default_rng(seed)
    label = chance.random(rows) < share
    return (chance.normal(size=rows) * 2 + np.where(label, 2, -2)).astype(np.float32), label


@pytest.mark.parametrize("share", [0.02, 0.06, 0.17])
def test_the_share_is_found_where_only_it_changed(share: float) -> None:
    margin, label = margins(share)
    found = estimated_share(CALIBRATION.probability(margin), SHARE)
    assert found == pytest.approx(label.mean(), rel=0.08)


def test_probabilities_that_were_off_are_right_once_moved() -> None:
    margin, label = margins(0.17)
    before = CALIBRATION.probability(margin)
    shift = prior_shift(CALIBRATION, margin, SHARE, 4.0)
    moved = CALIBRATION.moved(shift.log_odds, "moved")
    after = moved.probability(margin)
    assert abs(before.mean() - label.mean()) > 0.05
    assert abs(after.mean() - label.mean()) < 0.01
    assert moved.rationale == "moved"
    assert (np.diff(after[np.argsort(margin)]) >= 0).all()
    assert not shift.limited


def test_it_goes_no_further_than_the_limit_either_way() -> None:
    for share, sign in ((0.4, 1), (0.004, -1)):
        shift = prior_shift(CALIBRATION, margins(share)[0], SHARE, 2.0)
        assert shift.log_odds == pytest.approx(sign * np.log(2))
        assert shift.limited
        assert "as far as the limit allows" in shift.told()


def test_rows_that_tell_nothing_move_nothing_much() -> None:
    flat = np.zeros(500, dtype=np.float32)
    assert abs(prior_shift(CALIBRATION, flat, SHARE, 3.0).log_odds) < 1e-3


def test_what_may_be_chance_moves_nothing() -> None:
    few = margins(0.08, rows=300)[0]
    shift = prior_shift(CALIBRATION, few, SHARE, 3.0)
    assert shift.estimated_share != shift.calibrated_share
    assert shift.log_odds == 0
    assert "may be chance" in shift.told()
    many = margins(0.08)[0]
    assert prior_shift(CALIBRATION, many, SHARE, 3.0).log_odds > 0.2


def test_a_moved_curve_is_the_same_in_numpy_and_onnx() -> None:
    model, rows = fitted("xgboost"), features(800, seed=3)
    margin = model.margin(rows)
    curve = fit_isotonic(margin, np.random.default_rng(1).random(800) < 1 / (1 + np.exp(-margin)))
    moved = curve.moved(0.7, "moved")
    z = margin.astype(np.float64)
    assert np.allclose(moved.log_odds(z), curve.log_odds(z) + 0.7)
    session = ort.InferenceSession(build_onnx(model, moved, 5), providers=["CPUExecutionProvider"])
    (given,) = session.run(["probability"], {"features": rows})
    assert np.abs(given - moved.probability(margin)).max() < 2e-6
