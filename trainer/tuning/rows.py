"""The folds of a backtest as the problem of a search: one matrix that all folds and trials share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from trainer.backtest.folds import Fold, History
from trainer.dataset.training_set import Dataset, informative
from trainer.models.imbalance import drawn
from trainer.search.problem import Fold as Slices
from trainer.search.problem import Problem

_DAY_US = 86_400_000_000


def problem_of(
    dataset: Dataset, history: History, folds: Sequence[Fold], max_rows: int, seed: int
) -> Problem:
    """Returns the problem: a fold's training is a slice of the rows that all of them learn from.

    These are thinned once, to `max_rows`: all that were known to be fraud at the last fold's test, and a
    sample of the rest. An earlier fold that did not know such a fraud yet has it as a legitimate row that
    stands for itself alone, as it would have. Columns that do not vary in the last training are left out.
    The truth of a test is what was known in the end.
    """
    start = min(int(fold.training[0]) for fold in folds)
    end = max(int(fold.training[-1]) + 1 for fold in folds)
    last = folds[-1]
    fraud = dataset.labels_at(last.test_start_us)[start:end]
    kept, factor = drawn(fraud.astype(np.float32), max_rows, seed)
    kept = kept + start
    learnt = slice(int(last.training[0]), int(last.training[-1]) + 1)
    columns = np.flatnonzero(informative(dataset.features.take(learnt)))
    numbers = np.concatenate([kept, *(fold.test for fold in folds)])
    judged = np.cumsum([len(kept), *(len(fold.test) for fold in folds)])
    return Problem(
        dataset.features.take(numbers).only(columns).load(),
        np.concatenate([factor, np.ones(len(numbers) - len(kept), dtype=np.float32)]),
        tuple(
            _slices(fold, kept, (int(first), int(stop)), dataset, history)
            for fold, first, stop in zip(folds, judged[:-1], judged[1:], strict=True)
        ),
    )


def _slices(
    fold: Fold,
    kept: npt.NDArray[np.intp],
    judge: tuple[int, int],
    dataset: Dataset,
    history: History,
) -> Slices:
    first, stop = np.searchsorted(kept, [int(fold.training[0]), int(fold.training[-1]) + 1])
    rows = kept[first:stop]
    age_days = (fold.train_end_us - dataset.event_time_us[rows]) / _DAY_US
    return Slices(
        train=(int(first), int(stop)),
        judge=judge,
        label=dataset.labels_at(fold.test_start_us)[rows].astype(np.float32),
        age_days=age_days.astype(np.float32),
        truth=dataset.is_fraud[fold.test],
        groups=history.account[fold.test],
    )
