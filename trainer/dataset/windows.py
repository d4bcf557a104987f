"""The rows of each stretch of time, with the labels that were known when they are used."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trainer.dataset.rows import TrainingRows
from trainer.dataset.training_set import Dataset
from trainer.sources.split import Split, TooLittleHistoryError, iso, newest

_DAY_US = 86_400 * 1_000_000


@dataclass(frozen=True, slots=True)
class Window:
    """Rows that judge: float32 [n, columns], bool [n], float64 [n] in units of the dataset's currency."""

    features: npt.NDArray[np.float32]
    label: npt.NDArray[np.bool_]
    amount: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.label)

    def __str__(self) -> str:
        return f"{len(self):,} ({int(self.label.sum()):,})"


@dataclass(frozen=True, slots=True)
class Windows:
    """What teaches, chooses, calibrates and tests a model; no row has two roles."""

    training: TrainingRows
    select: Window
    calibrate: Window
    test: Window


def windows(dataset: Dataset, split: Split, columns: npt.NDArray[np.intp], until_us: int) -> Windows:
    """Returns the rows by role, with these columns. Raises TooLittleHistoryError where a kind is missing."""
    found = Windows(
        training_rows(dataset, split.train, columns, split.select_start_us, split.train_end_us),
        judging_rows(dataset, split.select, columns, until_us),
        judging_rows(dataset, split.calibrate, columns, until_us),
        judging_rows(dataset, split.test, columns, until_us),
    )
    _require_both_kinds(found, split, dataset)
    return found


def training_rows(
    dataset: Dataset,
    rows: npt.NDArray[np.int64],
    columns: npt.NDArray[np.intp],
    known_at_us: int,
    end_us: int,
) -> TrainingRows:
    """Returns rows to learn from, with these columns, weight 1 each.

    rows: int64, numbers that follow one another; known_at_us: when the labels stood; end_us: from which the
    age of a row counts.
    """
    # Labels as they stood at a moment: a model that was made then could not know more.
    part = slice(int(rows[0]), int(rows[-1]) + 1) if len(rows) else slice(0, 0)
    known = dataset.labels_at(known_at_us)[part]
    features = np.ascontiguousarray(dataset.features[part][:, columns])
    age_days = (end_us - dataset.event_time_us[part]) / _DAY_US
    weight = np.ones(len(known), dtype=np.float32)
    return TrainingRows(features, known.astype(np.float32), weight, age_days.astype(np.float32))


def judging_rows(
    dataset: Dataset, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.intp], known_at_us: int
) -> Window:
    """Returns rows that judge, with these columns and their labels as they stood at a moment."""
    known = dataset.labels_at(known_at_us)[rows]
    return Window(np.ascontiguousarray(dataset.features[rows][:, columns]), known, dataset.amount[rows])


def _require_both_kinds(found: Windows, split: Split, dataset: Dataset) -> None:
    more, times = "give more history", (split.select_start_us, split.calibrate_start_us, split.test_start_us)
    select_us, calibrate_us, test_us = times
    roles = (
        ("training", found.training.label, split.train_start_us, split.train_end_us, more),
        ("selection", found.select.label, select_us, calibrate_us, f"widen split.select_days, {more}"),
        ("calibration", found.calibrate.label, calibrate_us, test_us, f"widen split.calibrate_days, {more}"),
        ("test", found.test.label, test_us, split.test_end_us, f"widen split.test_days, {more}"),
    )
    for name, label, start, end, remedy in roles:
        frauds = int(label.sum())
        if frauds == 0 or frauds == len(label):
            raise TooLittleHistoryError(
                f"the {name} window, {iso(start)} to {iso(end)}, has {len(label):,} transactions of which "
                f"{frauds:,} are known frauds; both kinds are needed: {remedy}, or check the label column "
                f"and its times in the mapping. {newest(dataset.event_time_us)}"
            )
