"""Features of rows in parts: whatever is asked for, the rows and columns of the matrix that they make."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.dataset.features import Features, InMemory
from trainer.dataset.parts import PartStore

NAMES = tuple("abcd")


def matrix(rows: int) -> np.ndarray:
    values = np.arange(rows * len(NAMES), dtype=np.float32).reshape(rows, -1)
    values[::3, 1] = np.nan
    return values


def in_parts(whole: np.ndarray, ends: list[int]) -> Features:
    edges = sorted({0, len(whole), *ends})
    parts = [InMemory(whole[start:end]) for start, end in pairwise(edges)]
    return Features.over(parts, whole.shape[1])


@settings(deadline=None)
@given(st.data())
def test_rows_and_columns_are_those_of_the_matrix_in_whatever_order_they_are_named(
    data: st.DataObject,
) -> None:
    whole = matrix(data.draw(st.integers(1, 40)))
    features = in_parts(whole, data.draw(st.lists(st.integers(1, len(whole)))))
    rows = np.array(data.draw(st.lists(st.integers(0, len(whole) - 1))), dtype=np.int64)
    columns = np.array(data.draw(st.lists(st.integers(0, 3), min_size=1)), dtype=np.intp)
    taken = features.take(rows).only(columns)
    wanted = whole[rows][:, columns]
    assert taken.shape == wanted.shape
    assert np.array_equal(taken.load(), wanted, equal_nan=True)
    blocks = list(taken.blocks())
    assert all(len(block) for block in blocks)
    joined = np.concatenate(blocks) if blocks else wanted[:0]
    assert np.array_equal(joined, wanted, equal_nan=True)


def test_rows_are_taken_by_mask_and_by_slice() -> None:
    whole = matrix(10)
    features = in_parts(whole, [3, 4])
    assert np.array_equal(features.take(whole[:, 0] > 12).load(), whole[whole[:, 0] > 12], equal_nan=True)
    assert np.array_equal(features.take(slice(2, 8)).take(slice(1, 3)).load(), whole[3:5], equal_nan=True)


def test_rows_behind_have_the_columns_that_were_chosen() -> None:
    whole, made = matrix(6), np.full((2, 2), 9, dtype=np.float32)
    features = in_parts(whole, [4]).take(slice(3, 6)).only(np.array([3, 0])).with_rows(made)
    assert np.array_equal(features.load(), np.concatenate([whole[3:6][:, [3, 0]], made]))
    assert features.only(np.array([1])).take([4]).load().tolist() == [[9.0]]


def test_no_rows_are_a_matrix_of_none() -> None:
    assert Features.of(matrix(5)).take(slice(0, 0)).load().shape == (0, 4)
    assert Features.over([], 4).load().shape == (0, 4)


def written(directory: Path, whole: np.ndarray, part_rows: int) -> PartStore:
    store = PartStore(directory / "one", len(whole), NAMES, part_rows)
    store.hold()
    store.begin()
    for number in range(len(store)):
        store.write(number, whole[slice(*store.bounds(number))])
    return store


@pytest.mark.parametrize("part_rows", [1, 4, 10, 11])
def test_what_is_written_is_read_bit_for_bit(tmp_path: Path, part_rows: int) -> None:
    whole = matrix(10)
    whole[2, 2], whole[3, 2] = -0.0, np.inf
    features = written(tmp_path, whole, part_rows).features()
    assert features.load().tobytes() == whole.tobytes()
    assert features.take(slice(5, 9)).only(np.array([2, 0])).load().tobytes() == (
        np.ascontiguousarray(whole[5:9][:, [2, 0]]).tobytes()
    )


def test_a_store_is_complete_when_it_says_so_and_all_parts_are_there(tmp_path: Path) -> None:
    store = written(tmp_path, matrix(10), 4)
    assert not store.complete
    store.finish()
    assert store.complete
    assert not PartStore(store.directory, 10, (*NAMES[:3], "e"), 4).complete
    assert not PartStore(store.directory, 11, NAMES, 4).complete
    store.path(1).unlink()
    assert not store.complete


def test_parts_of_other_histories_are_taken_away_unless_a_run_still_reads_them(tmp_path: Path) -> None:
    left, store = tmp_path / "left", written(tmp_path, matrix(10), 4)
    left.mkdir()
    store.finish()
    other = PartStore(tmp_path / "two", 10, NAMES, 4)
    other.hold()
    other.begin()
    assert not left.exists()
    assert store.complete
    assert (other.directory.stat().st_mode & 0o077) == 0
