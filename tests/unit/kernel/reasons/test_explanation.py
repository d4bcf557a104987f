from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import pytest

from kuntur.reasons import (
    ExplanationError,
    LinearExplanation,
    TreeExplanation,
    Trees,
    largest_gap,
    read_explanation,
    write_explanation,
)

# Two trees: a split on column 1 and below it, to the right, one on column 0; and a single leaf.
TREES = Trees(
    starts=np.array([0, 5, 6], dtype=np.int64),
    right=np.array([2, 0, 4, 0, 0, 0], dtype=np.int32),
    column=np.array([1, 0, 0, 0, 0, 0], dtype=np.int32),
    threshold=np.array([0.5, 0, -1.0, 0, 0, 0], dtype=np.float32),
    unset_left=np.array([False, False, True, False, False, False]),
    cover=np.array([10.0, 4.0, 6.0, 3.0, 3.0, 10.0]),
    value=np.array([0.0, 1.0, 0.0, -2.0, 3.0, 0.25]),
)
EXPLANATION = TreeExplanation(TREES, 2, 0.125, 1.0)
ROWS = np.array([[0, 0], [0, 1], [-2, 1], [np.nan, np.nan]], dtype=np.float32)


def _changed(change: Callable[[dict[str, Any]], object], explanation: Any = EXPLANATION) -> bytes:
    arrays = dict(np.load(BytesIO(write_explanation(explanation))))
    change(arrays)
    file = BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def test_what_was_written_is_read() -> None:
    read = read_explanation(write_explanation(EXPLANATION), 2)
    assert read.base == EXPLANATION.base == pytest.approx(0.125 + 0.4 * 1 + 0.3 * -2 + 0.3 * 3 + 0.25)
    assert np.array_equal(read.contributions(ROWS), EXPLANATION.contributions(ROWS))
    linear = LinearExplanation(np.array([1.0, 2.0]), np.array([0.5, -1.0]), 0.25, 2.0)
    again = read_explanation(write_explanation(linear), 2)
    assert (again.base, again.scale) == (0.25, 2.0)
    assert np.array_equal(again.contributions(ROWS), linear.contributions(ROWS))


def test_a_row_adds_up_to_the_leaves_it_reaches() -> None:
    total = EXPLANATION.contributions(ROWS).sum(axis=1) + EXPLANATION.base
    assert total == pytest.approx([1.375, 3.375, -1.625, -1.625])
    margin = np.array([1.375, 3.375, -1.625, -1.625], dtype=np.float32)
    assert largest_gap(EXPLANATION, ROWS, margin) < 1e-12
    assert largest_gap(EXPLANATION, ROWS, margin + np.float32([0, 0, 0, 0.5])) == pytest.approx(0.5 / 1.125)
    assert largest_gap(EXPLANATION, ROWS, margin * np.float32(np.nan)) == np.inf


def test_the_scale_turns_margins_into_log_odds() -> None:
    scaled = TreeExplanation(TREES, 2, 0.125, 3.0)
    assert np.array_equal(scaled.contributions(ROWS), 3 * EXPLANATION.contributions(ROWS))
    assert np.array_equal(scaled.in_margin(ROWS), EXPLANATION.contributions(ROWS))


def test_a_branch_that_no_training_row_took_still_adds_up() -> None:
    cover = np.array([6.0, 0.0, 6.0, 6.0, 0.0, 6.0])
    none = Trees(
        TREES.starts, TREES.right, TREES.column, TREES.threshold, TREES.unset_left, cover, TREES.value
    )
    empty = Trees(
        TREES.starts, TREES.right, TREES.column, TREES.threshold, TREES.unset_left, 0 * cover, TREES.value
    )
    for trees in (none, empty):
        explanation = TreeExplanation(trees, 2, 0.0, 1.0)
        total = explanation.contributions(ROWS).sum(axis=1) + explanation.base
        assert total == pytest.approx([1.25, 3.25, -1.75, -1.75])


def test_a_tree_beyond_the_places_of_the_table_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kuntur.reasons.tree_shap.MAX_PLACES", 5 * 4)  # five nodes of four numbers
    assert TreeExplanation(TREES, 2, 0.0, 1.0).base
    monkeypatch.setattr("kuntur.reasons.tree_shap.MAX_PLACES", 5 * 4 - 1)
    with pytest.raises(ExplanationError, match="a tree of 5 nodes is too large"):
        TreeExplanation(TREES, 2, 0.0, 1.0)


def _set(name: str, place: int, value: float) -> Callable[[dict[str, Any]], object]:
    return lambda arrays: arrays[name].__setitem__(place, value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.pop("right"), "lacks right"),
        (lambda a: a.pop("kind"), "lacks kind"),
        (lambda a: a.update(format_version=np.int64(2)), "version 2"),
        (lambda a: a.update(kind=np.int64(7)), "unknown kind"),
        (lambda a: a.update(columns=np.int64(3)), "explains 3 features, the model has 2"),
        (lambda a: a.update(threshold=a["threshold"].astype(np.float64)), "threshold is float64"),
        (lambda a: a.update(scale=np.float64([1.0])), "scale is float64 of 1 dimensions"),
        (lambda a: a.update(scale=np.float64(np.nan)), "not finite"),
        (lambda a: a.update(offset=np.float64(np.inf)), "not finite"),
        (lambda a: a.update(offset=np.float64(1.0)), "states the base"),
        (lambda a: a.update(base=np.float64(np.nan)), "states the base"),
        (lambda a: a.update(value=a["value"][:-1]), "value is not one number a node"),
        (lambda a: a.update(starts=np.array([0, 5], dtype=np.int64)), "starts"),
        (lambda a: a.update(starts=np.array([0, 5, 5, 6], dtype=np.int64)), "starts"),
        (lambda a: a.update(starts=np.zeros(0, dtype=np.int64)), "starts"),
        (_set("starts", 1, 3), "right branch"),
        (_set("right", 0, 1), "right branch"),
        (_set("right", 2, 99), "right branch"),
        (_set("right", 2, 2), "right branch"),
        (_set("right", 3, -1), "right branch"),
        (_set("right", 0, 3), "reached from two others, or from none"),
        (_set("right", 5, 1), "right branch"),
        (_set("column", 2, 2), "column beyond the 2"),
        (_set("column", 0, -1), "column beyond the 2"),
        (_set("column", 1, 2**31 - 1), "column beyond the 2"),
        (lambda a: a.update(starts=np.array([0, 2**63 - 1, -(2**63) + 4, 6], dtype=np.int64)), "starts"),
        (lambda a: a.update(cover=np.array([2.0, 0, 0, 2, 2, 2])), "its branches have none"),
        (_set("threshold", 0, np.nan), "threshold is not a number"),
        (_set("cover", 1, -1.0), "covers are not finite and positive"),
        (_set("value", 1, np.inf), "values not finite"),
    ],
)
def test_a_file_that_is_wrong_says_where(change: Callable[[dict[str, Any]], object], message: str) -> None:
    with pytest.raises(ExplanationError, match=message):
        read_explanation(_changed(change), 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.update(centre=a["centre"][:1]), "not one number a column"),
        (lambda a: a.update(centre=np.zeros(3), weights=np.zeros(3)), "data for 3 features"),
        (_set("weights", 0, np.nan), "not finite"),
        (lambda a: a.update(base=np.float64(np.inf)), "not finite"),
    ],
)
def test_weights_that_are_wrong_say_where(change: Callable[[dict[str, Any]], object], message: str) -> None:
    linear = LinearExplanation(np.zeros(2), np.ones(2), 0.0, 1.0)
    with pytest.raises(ExplanationError, match=message):
        read_explanation(_changed(change, linear), 2)


def test_bytes_that_are_no_such_file_are_refused() -> None:
    content = write_explanation(EXPLANATION)
    compressed, objects = BytesIO(), BytesIO()
    np.savez_compressed(compressed, starts=np.zeros(9))
    np.savez(objects, kind=np.array([object()], dtype=object))
    for wrong in (
        b"",
        b"no archive",
        content[:-30],
        content[:200],
        compressed.getvalue(),
        objects.getvalue(),
    ):
        with pytest.raises(ExplanationError):
            read_explanation(wrong, 2)


def test_entries_that_lie_on_one_another_are_refused_before_they_are_read() -> None:
    content = bytearray(write_explanation(EXPLANATION))
    entry = content.index(b"PK\x01\x02")  # the first of the directory, which states its size at 24
    content[entry + 20 : entry + 28] = (len(content) + 1).to_bytes(4, "little") * 2
    with pytest.raises(ExplanationError, match="more than its own size"):
        read_explanation(bytes(content), 2)


def test_every_flipped_byte_is_refused_or_changes_nothing_beyond_numbers() -> None:
    content = write_explanation(EXPLANATION)
    for at in range(0, len(content), 7):
        damaged = bytearray(content)
        damaged[at] ^= 0x41
        try:
            explanation = read_explanation(bytes(damaged), 2)
        except ExplanationError:
            continue
        assert np.isfinite(explanation.contributions(ROWS)).all()
