"""The problem of one window, as `train` has it: rows to learn from, and the later ones that choose."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from trainer.dataset.rows import TrainingRows
from trainer.dataset.windows import Window
from trainer.models.imbalance import thinned
from trainer.search.problem import Problem
from trainer.settings.searching import SearchSettings


def problem_of_window(
    training: TrainingRows, select: Window, account: npt.NDArray[np.int64], settings: SearchSettings
) -> Problem:
    """Returns the problem, with at most `search.max_rows` rows to learn from.

    account: int64 [len(select)], of the rows that choose.
    """
    few = thinned(training, settings.max_rows, settings.seed)
    return Problem.of_window(few, select.features, select.label, account)
