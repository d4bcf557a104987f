"""What a search works on: one matrix, and folds that name which of its rows teach and which judge.

A training run has one fold, the tuning of a recipe several that share their rows; either way the matrix goes
to the trials once, and a fold is a slice of it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from trainer.dataset.rows import TrainingRows


@dataclass(frozen=True, slots=True)
class Fold:
    """Slices of the matrix, from a row to before another, and what was known of their rows.

    train, judge: the slices; label: float32 [n], of the training rows as known when the model would have been
    made; age_days: float32 [n]; truth: bool [m], of the judging rows; groups: int64 [m], which of them belong
    together, such as those of one account.
    """

    train: tuple[int, int]
    judge: tuple[int, int]
    label: npt.NDArray[np.float32]
    age_days: npt.NDArray[np.float32]
    truth: npt.NDArray[np.bool_]
    groups: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Problem:
    """Features, float32 [n, columns]; weight, float32 [n]; and the folds in order of time."""

    features: npt.NDArray[np.float32]
    weight: npt.NDArray[np.float32]
    folds: tuple[Fold, ...]

    @classmethod
    def of_window(
        cls,
        training: TrainingRows,
        judge: npt.NDArray[np.float32],
        truth: npt.NDArray[np.bool_],
        groups: npt.NDArray[np.int64],
    ) -> Problem:
        """Returns the problem of one window.

        judge: float32 [m, columns]; truth: bool [m]; groups: int64 [m], as in a fold.
        """
        taught, rows = len(training), len(training) + len(judge)
        return cls(
            np.concatenate([training.features, judge]),
            np.concatenate([training.weight, np.ones(len(judge), dtype=np.float32)]),
            (Fold((0, taught), (taught, rows), training.label, training.age_days, truth, groups),),
        )

    def training(self, fold: Fold) -> TrainingRows:
        """Returns what a fold learns from, without copying."""
        rows = slice(*fold.train)
        return TrainingRows(self.features[rows], fold.label, self.weight[rows], fold.age_days)

    def judge(self, fold: Fold) -> npt.NDArray[np.float32]:
        """Returns the features of the rows that judge a fold, without copying."""
        return self.features[slice(*fold.judge)]

    def days(self) -> float:
        """Returns the days that the shortest training reaches back."""
        return min((float(fold.age_days.max(initial=0)) for fold in self.folds), default=0.0)

    def digest(self) -> str:
        """Returns the hash of all that stands in it."""
        digest = hashlib.sha256()
        arrays: list[npt.NDArray[Any]] = [self.features, self.weight]
        for fold in self.folds:
            digest.update(repr((fold.train, fold.judge)).encode())
            arrays += [fold.label, fold.age_days, fold.truth, fold.groups]
        for array in arrays:
            digest.update(f"{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()
