from __future__ import annotations

import numpy as np
import pytest

from tests.unit.trainer.samples import CALIBRATION, features, fitted
from trainer.evaluation.latency import microseconds_a_row
from trainer.export import build_onnx


@pytest.mark.parametrize("rows", [1, 7, 5_000])
def test_the_cost_of_a_row_is_measured_alone_and_in_frames_from_any_number_of_rows(rows: int) -> None:
    found = microseconds_a_row(build_onnx(fitted("xgboost"), CALIBRATION, 5), features(rows, seed=9))
    assert sorted(found) == ["microseconds_a_row_in_frames", "microseconds_a_row_single"]
    assert all(np.isfinite(value) and value > 0 for value in found.values())
