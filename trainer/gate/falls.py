"""Which of many segments fall beyond chance, all of them looked at together.

Of thirty segments some fall in any comparison of equal models, the more the more there are. So the bound is
that of the largest fall of all: Romano and Wolf's step-down test (2005), by the replicates of the bootstrap,
which draw the same accounts for every segment. However many segments there are, and however they overlap,
equal models fail in at most one comparison in ten with a confidence of 0.9.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]


def surely_falls(difference: Float64, replicates: Float64, confidence: float) -> npt.NDArray[np.bool_]:
    """Tells which differences are below 0 beyond chance, bool [m].

    difference: float64 [m], new less old; replicates: float64 [k, m], of the same draws, NaN where a draw has
    no figure; confidence: with which none is told that does not fall.
    """
    fallen = np.zeros(len(difference), dtype=np.bool_)
    known = np.isfinite(replicates).sum(axis=0) > 1
    spread = np.full(len(difference), np.nan)
    spread[known] = np.nanstd(replicates[:, known], axis=0, ddof=1)
    judged = known & (spread > 0)  # what no draw changes is no fall to be sure of
    while (open_ := judged & ~fallen).any():
        least = _largest_fall_by_chance(difference, replicates, spread, open_, confidence)
        more = open_ & (-difference > least * np.where(open_, spread, np.inf))
        if not more.any():
            break
        fallen |= more
    return fallen


def _largest_fall_by_chance(
    difference: Float64, replicates: Float64, spread: Float64, open_: npt.NDArray[np.bool_], confidence: float
) -> float:
    """Returns what the largest fall among these exceeds in the rest of the draws, in spreads."""
    falls = (difference[open_] - replicates[:, open_]) / spread[open_]
    falls = falls[np.isfinite(falls).any(axis=1)]
    return float(np.quantile(np.nanmax(falls, axis=1), confidence))
