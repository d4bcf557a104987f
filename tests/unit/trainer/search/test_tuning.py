from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from trainer.backtest.calendar import Calendar
from trainer.backtest.folds import Fold, History
from trainer.dataset.features import Features
from trainer.tuning.rows import problem_of

DAY_US, DAYS, A_DAY = 86_400_000_000, 40, 50
ROWS = DAYS * A_DAY


@dataclass
class Known:
    """Transactions whose only feature is their number; a fraud is known three days later."""

    features: Features
    event_time_us: np.ndarray
    is_fraud: np.ndarray

    def labels_at(self, at_us: int) -> np.ndarray:
        return self.is_fraud & (self.event_time_us + 3 * DAY_US <= at_us)


def dataset() -> Any:
    time = np.arange(ROWS, dtype=np.int64) * (DAY_US // A_DAY)
    number = np.arange(ROWS, dtype=np.float32)
    features = np.column_stack([number, np.full(ROWS, 7, dtype=np.float32)])
    return Known(Features.of(features), time, np.random.default_rng(2).random(ROWS) < 0.05)


def fold(number: int, start: int, end: int, known: Any) -> Fold:
    """A fold that learns from days start to end; its test is two days long and three days later."""
    rows = np.arange(ROWS, dtype=np.int64)
    day = date(2024, 1, 1)
    test = slice((end + 3) * A_DAY, (end + 5) * A_DAY)
    times = [start * DAY_US, end * DAY_US, (end + 3) * DAY_US, (end + 5) * DAY_US]
    return Fold(number, day, day, rows[start * A_DAY : end * A_DAY], rows[test], np.zeros(100), 0, *times)


def made(max_rows: int) -> tuple[Any, list[Fold], Any]:
    known = dataset()
    folds = [fold(1, 0, 20, known), fold(2, 0, 30, known)]
    history = History(
        known.event_time_us, np.arange(ROWS) % 9, known.is_fraud, DAYS * DAY_US, Calendar("UTC")
    )
    return problem_of(known, history, folds, max_rows, 0), folds, known


def test_folds_are_slices_of_one_matrix_with_the_labels_of_their_time() -> None:
    problem, folds, known = made(10_000)
    assert len(problem.features) == 30 * A_DAY + 200
    assert problem.features.shape[1] == 1  # the column that never varies is left out
    for slices, one in zip(problem.folds, folds, strict=True):
        rows = problem.training(slices)
        assert rows.features[:, 0].tolist() == one.training.tolist()
        assert problem.judge(slices)[:, 0].tolist() == one.test.tolist()
        assert (rows.label == known.labels_at(one.test_start_us)[one.training]).all()
        assert (slices.truth == known.is_fraud[one.test]).all()
        assert rows.age_days.min() > 0
        assert rows.age_days.max() == (one.train_end_us - one.train_start_us) / DAY_US
        assert np.shares_memory(rows.features, problem.features)


def test_thinned_folds_keep_their_frauds_and_the_weight_of_the_rest() -> None:
    problem, folds, known = made(400)
    assert len(problem.features) == 400 + 200
    for slices, one in zip(problem.folds, folds, strict=True):
        rows = problem.training(slices)
        label = known.labels_at(one.test_start_us)[one.training]
        assert int(rows.label.sum()) == int(label.sum()) > 10
        assert set(rows.weight[rows.label == 1].tolist()) == {1.0}
        assert abs(rows.weight.sum() - len(one.training)) < 0.15 * len(one.training)


def test_only_fold_slices_differ_between_folds() -> None:
    problem, _, _ = made(400)
    first, second = problem.folds
    assert first.train[0] == second.train[0] == 0
    assert first.train[1] < second.train[1] == first.judge[0]
    assert first.judge[1] == second.judge[0]
    assert second.judge[1] == len(problem.features)
