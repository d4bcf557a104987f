from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest

from tests.unit.trainer.samples import CALIBRATION, features, fitted, training_rows
from trainer.calibration import PlattCalibration, fit_isotonic
from trainer.confined.session import run, session
from trainer.export import ParityError, build_onnx, check_parity
from trainer.export.graph import build_tree_values
from trainer.export.parity import _check_comparisons
from trainer.models import FAMILIES
from trainer.models.base import Splits

FAMILY_NAMES = sorted(FAMILIES)
TREE_FAMILIES = ("random_forest", "xgboost")
ROWS = features(60, seed=9)


def changed(exported: bytes, attribute: str, change: Callable[[list[float]], None]) -> bytes:
    """Returns the exported model with other numbers in its tree operator."""
    model = onnx.load_from_string(exported)
    (tree,) = [node for node in model.graph.node if node.op_type == "TreeEnsembleRegressor"]
    (found,) = [a for a in tree.attribute if a.name == attribute]
    values = list(found.floats)
    change(values)
    del found.floats[:]
    found.floats.extend(values)
    result: bytes = model.SerializeToString()
    return result


def inner_nodes(exported: bytes) -> list[int]:
    (tree,) = [n for n in onnx.load_from_string(exported).graph.node if n.op_type == "TreeEnsembleRegressor"]
    (modes,) = [a for a in tree.attribute if a.name == "nodes_modes"]
    return [place for place, mode in enumerate(modes.strings) if mode != b"LEAF"]


@pytest.mark.parametrize("name", FAMILY_NAMES)
def test_a_faithful_export_with_isotonic_calibration_passes(name: str) -> None:
    model, rows = fitted(name), training_rows()
    calibration = fit_isotonic(model.margin(rows.features), rows.label == 1)
    assert len(calibration.margins) > 2
    check_parity(model, calibration, build_onnx(model, calibration, 5), rows.features)


@pytest.mark.parametrize("name", FAMILY_NAMES)
def test_a_faithful_export_passes_and_says_what_was_compared(name: str) -> None:
    model = fitted(name)
    found = check_parity(model, CALIBRATION, build_onnx(model, CALIBRATION, 5), ROWS)
    splits = model.splits()
    comparisons = 0 if splits is None else len(splits.column)
    assert found["rows"] == 60 + 4 * 5 + 1 + 4 * comparisons
    assert found["max_probability_difference"] <= 2e-6
    values = model.tree_values(ROWS)
    assert found["leaves"] == (0 if values is None else found["rows"] * values.shape[1])


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("xgboost", {"min_child_weight": 1e9}),
        ("xgboost", {"rounds": 1}),
        ("xgboost", {"num_parallel_tree": 3, "colsample_bynode": 0.5, "rounds": 4}),
        ("xgboost", {"max_depth": 20, "min_child_weight": 0.0}),
        ("random_forest", {"leaf_rows": 10**6}),
        ("random_forest", {"tree_depth": 40, "leaf_rows": 1}),
    ],
)
def test_models_of_extreme_shapes_pass(name: str, changes: dict[str, float]) -> None:
    model = fitted(name, **changes)
    check_parity(model, CALIBRATION, build_onnx(model, CALIBRATION, 5), ROWS)


@pytest.mark.parametrize("name", FAMILY_NAMES)
def test_one_validation_row_is_enough(name: str) -> None:
    model = fitted(name)
    check_parity(model, CALIBRATION, build_onnx(model, CALIBRATION, 5), ROWS[:1])


@pytest.mark.parametrize("name", TREE_FAMILIES)
@pytest.mark.parametrize("direction", [-np.inf, np.inf])
def test_a_threshold_one_step_off_fails_wherever_it_is_in_a_tree(name: str, direction: float) -> None:
    model = fitted(name, **({"rounds": 3} if name == "xgboost" else {"trees": 2}))
    exported = build_onnx(model, CALIBRATION, 5)
    places = inner_nodes(exported)
    assert len(places) > 20
    for place in places:

        def nudge(values: list[float], place: int = place) -> None:
            values[place] = float(np.nextafter(np.float32(values[place]), np.float32(direction)))

        with pytest.raises(ParityError):
            check_parity(model, CALIBRATION, changed(exported, "nodes_values", nudge), ROWS)


def with_flag_turned(exported: bytes, place: int) -> bytes:
    """Returns the exported model with the other branch for unset values at a node."""
    model = onnx.load_from_string(exported)
    (tree,) = [node for node in model.graph.node if node.op_type == "TreeEnsembleRegressor"]
    (flags,) = [a for a in tree.attribute if a.name == "nodes_missing_value_tracks_true"]
    flags.ints[place] = 1 - flags.ints[place]
    result: bytes = model.SerializeToString()
    return result


def met_by_unset(splits: Splits) -> int:
    """Counts the comparisons that a row without a value in their column can come to."""
    assert splits.unset_left is not None
    count = 0
    for place, column in enumerate(splits.column):
        below, met = place, True
        while (above := int(splits.parent[below])) >= 0:
            if splits.column[above] == column and splits.unset_left[above] == splits.right[below]:
                met = False
            below = above
        count += met
    return count


def test_a_wrong_branch_for_unset_values_fails_wherever_it_is_in_a_tree() -> None:
    model = fitted("xgboost", rounds=3)
    exported = build_onnx(model, CALIBRATION, 5)
    for place in inner_nodes(exported):
        with pytest.raises(ParityError):
            check_parity(model, CALIBRATION, with_flag_turned(exported, place), ROWS)


def test_rows_show_a_wrong_branch_for_unset_values_wherever_one_can_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("trainer.export.parity._check_comparisons", lambda *_: None)
    model = fitted("xgboost", rounds=3)
    splits, exported, refused = model.splits(), build_onnx(model, CALIBRATION, 5), 0
    for place in inner_nodes(exported):
        try:
            check_parity(model, CALIBRATION, with_flag_turned(exported, place), ROWS)
        except ParityError:
            refused += 1
    assert splits is not None
    assert 20 < refused == met_by_unset(splits) < len(splits.column)


@pytest.mark.parametrize(("name", "mode"), [("xgboost", b"BRANCH_LEQ"), ("random_forest", b"BRANCH_LT")])
def test_another_kind_of_comparison_fails_where_no_row_shows_it(name: str, mode: bytes) -> None:
    model = fitted(name)
    changed_model = onnx.load_from_string(build_onnx(model, CALIBRATION, 5))
    (tree,) = [node for node in changed_model.graph.node if node.op_type == "TreeEnsembleRegressor"]
    (modes,) = [a for a in tree.attribute if a.name == "nodes_modes"]
    modes.strings[:] = [mode if each != b"LEAF" else each for each in modes.strings]
    with pytest.raises(ParityError, match="comparisons are BRANCH_"):
        _check_comparisons(model, changed_model.SerializeToString())


@pytest.mark.parametrize("name", TREE_FAMILIES)
def test_a_leaf_value_one_step_off_fails(name: str) -> None:
    model = fitted(name)
    exported = build_onnx(model, CALIBRATION, 5)

    def nudge(values: list[float]) -> None:
        values[:] = [float(np.nextafter(np.float32(v), np.float32(9))) for v in values]

    with pytest.raises(ParityError, match=r"reaches another leaf|exported .* fitted"):
        check_parity(model, CALIBRATION, changed(exported, "target_weights", nudge), ROWS)


@pytest.mark.parametrize("name", FAMILY_NAMES)
@pytest.mark.parametrize("other", [PlattCalibration(0.81, -0.3), PlattCalibration(0.8, -0.301)])
def test_another_calibration_fails(name: str, other: PlattCalibration) -> None:
    model = fitted(name)
    with pytest.raises(ParityError, match=r"exported .* fitted"):
        check_parity(model, CALIBRATION, build_onnx(model, other, 5), ROWS)


@pytest.mark.parametrize("name", FAMILY_NAMES)
def test_another_model_fails(name: str) -> None:
    other = fitted(name, training_rows(seed=30))
    with pytest.raises(ParityError):
        check_parity(fitted(name), CALIBRATION, build_onnx(other, CALIBRATION, 5), ROWS)


def test_a_score_that_is_no_number_fails() -> None:
    model = fitted("xgboost")
    with pytest.raises(ParityError):
        check_parity(model, CALIBRATION, build_onnx(model, PlattCalibration(float("nan"), 0.0), 5), ROWS)


@pytest.mark.parametrize("name", TREE_FAMILIES)
def test_what_each_tree_adds_is_read_from_the_exported_model_itself(name: str) -> None:
    model = fitted(name)
    wanted = model.tree_values(ROWS)
    assert wanted is not None
    unsummed = build_tree_values(build_onnx(model, CALIBRATION, 5), wanted.shape[1])
    assert np.array_equal(run(session(unsummed), ROWS), wanted)


def test_rows_beyond_a_chunk_are_run_in_order() -> None:
    model = fitted("xgboost")
    opened = session(build_onnx(model, CALIBRATION, 5))
    rows = features(20_000, seed=1)
    assert np.array_equal(run(opened, rows), opened.run(None, {"features": rows})[0])
