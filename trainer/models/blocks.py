"""Rows that are read a part at a time, as XGBoost takes them in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xgboost as xgb

from trainer.dataset.features import Features
from trainer.dataset.rows import TrainingRows


def quantile_matrix(
    rows: TrainingRows, bins: int, threads: int, spill: Path | None = None
) -> xgb.QuantileDMatrix:
    """Returns the rows in bins, which is all that is kept of them.

    bins: of a column, at the most; spill: folder for the bins, None for those that fit in memory.
    """
    if spill is not None:
        return xgb.ExtMemQuantileDMatrix(_Blocks(rows, spill), max_bin=bins, nthread=threads)
    if isinstance(rows.held, Features):
        return xgb.QuantileDMatrix(_Blocks(rows), max_bin=bins, nthread=threads)
    return xgb.QuantileDMatrix(rows.held, rows.label, weight=rows.weight, max_bin=bins, nthread=threads)


class _Blocks(xgb.DataIter):  # type: ignore[misc]  # xgboost has no types
    """Hands rows over a block at a time, as often as XGBoost wants: once for the bins, once to fill them."""

    def __init__(self, rows: TrainingRows, spill: Path | None = None) -> None:
        self._rows = rows
        self._blocks: Iterator[npt.NDArray[np.float32]] = iter(())
        self._done = 0
        if spill is None:
            super().__init__()
        else:
            super().__init__(cache_prefix=str(spill / "bins"), on_host=False)

    def reset(self) -> None:
        """Begins again."""
        self._blocks, self._done = self._rows.blocks(), 0

    def next(self, input_data: Callable[..., None]) -> bool:
        """Hands the next block over; tells whether there was one."""
        block = next(self._blocks, None)
        if block is None:
            return False
        here = slice(self._done, self._done + len(block))
        self._done = here.stop
        input_data(data=block, label=self._rows.label[here], weight=self._rows.weight[here])
        return True
