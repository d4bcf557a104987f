"""Which columns matter most, by a quick first fit on rows to learn from and on nothing else."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from trainer.dataset.rows import TrainingRows
from trainer.models.imbalance import thinned

_ROWS = 60_000
_SEED = 0
# Shallow and many, so that columns that matter only a little are told apart as well.
_QUICK = {
    "rounds": 60,
    "max_depth": 4,
    "learning_rate": 0.15,
    "subsample": 0.9,
    "colsample_bytree": 0.5,
}


def ranked(rows: TrainingRows) -> npt.NDArray[np.intp]:
    """Returns all columns, the most important first, intp [columns]; of equals the one that comes first.

    On one thread and with a fixed seed, since the order in which threads add up would show in the ranking.
    """
    from trainer.models import FAMILIES

    few = thinned(rows, _ROWS, _SEED)
    quick = FAMILIES["xgboost"].fit(few, _QUICK, threads=1, seed=_SEED)
    return np.argsort(-quick.importance(), kind="stable").astype(np.intp)
