"""Contributions to a weighted sum: weight times the departure from the mean, which is exact."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kuntur.compiled.native import native_free
from kuntur.reasons.explanation import Explanation, ExplanationError, FloatArray

_LARGEST = float(np.finfo(np.float32).max)


@native_free
def _departures(rows, centre, weights, out):
    """Writes weight × (sign(x) log(1 + |x|) - centre), 0 where x is unset; infinity is float32's largest."""
    for row in range(len(rows)):
        for column in range(len(centre)):
            x = np.float64(rows[row, column])
            size = np.log(min(abs(x), _LARGEST) + 1.0)
            unset = np.isnan(x)
            out[row, column] = (
                0.0 if unset else ((size if x >= 0 else -size) - centre[column]) * weights[column]
            )


class LinearExplanation(Explanation):
    """A weighted sum of squeezed features, sign(x) log(1 + |x|); an unset one counts as its mean."""

    def __init__(self, centre: FloatArray, weights: FloatArray, base: float, scale: float) -> None:
        """Takes means and weights by column, float64 [columns]. Raises ExplanationError for unfit ones."""
        if centre.ndim != 1 or centre.shape != weights.shape or not len(centre):
            raise ExplanationError("centre and weights are not one number a column")
        if not (
            np.isfinite(centre).all() and np.isfinite(weights).all() and np.isfinite([base, scale]).all()
        ):
            raise ExplanationError("centre, weights, base or scale are not finite")
        self.columns, self.base, self.scale = len(centre), base, scale
        self._centre, self._weights = centre, weights

    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Returns means and weights."""
        return {"centre": self._centre, "weights": self._weights}

    def in_margin(self, features: npt.NDArray[np.float32]) -> FloatArray:
        """Returns weight × (value - mean), float64 [n, columns]."""
        out = np.empty(features.shape, dtype=np.float64)
        _departures(features, self._centre, self._weights, out)
        return out
