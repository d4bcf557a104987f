"""How far each feature moved between the rows that taught a model and later ones, and its score likewise.

The measure is the population stability index over bins that hold a tenth of the training rows each:
Σ (q − p) · ln(q / p), with p and q the shares of a bin in training and later (Siddiqi, 2006). Customary
reading: below 0.1 no shift, to 0.25 a moderate one, above it a large one. Whether that is beyond use is the
gate's to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]

WATCH, LARGE = 0.1, 0.25
_BINS = 10
_MOST_ROWS = 200_000  # looked at, evenly spread in time: shares to three digits, in a bounded time
_PSEUDO = 0.5  # added to each count, so that an empty bin has no infinite logarithm
SCORE = "(score)"


@dataclass(frozen=True, slots=True)
class Drift:
    """The shift of one feature.

    edges: float32 [k], ascending; bin i holds edges[i-1] < value <= edges[i], open at both ends; training,
    test: float64 [k + 2], shares of the bins, the last one of unset values; psi: their stability index.
    """

    name: str
    psi: float
    edges: Float32
    training: npt.NDArray[np.float64]
    test: npt.NDArray[np.float64]

    def document(self) -> dict[str, Any]:
        """Returns it ready for JSON: each bin with its bounds, None where it is open, or its label."""
        bounds: list[float | None] = [None, *(float(edge) for edge in self.edges), None]
        bins: list[dict[str, Any]] = [{"low": low, "high": high} for low, high in pairwise(bounds)]
        bins.append({"label": "unset"})
        for number, shown in enumerate(bins):
            shown["training"], shown["test"] = float(self.training[number]), float(self.test[number])
        return {"name": self.name, "psi": self.psi, "bins": bins}


def drifts(training: Float32, test: Float32, names: Sequence[str]) -> tuple[Drift, ...]:
    """Returns the shift of each feature; float32 [n, columns] and [m, columns], one row each at least."""
    earlier, later = _spread(training), _spread(test)
    return tuple(drift(name, earlier[:, place], later[:, place]) for place, name in enumerate(names))


def drift(name: str, training: Float32, test: Float32) -> Drift:
    """Returns the shift of one feature, or of the score; float32 [n] and [m], NaN for unset.

    A value that many rows share is an edge of its own once, so that bins may be fewer. Both counts have half
    a row added in every bin.
    """
    known = training[~np.isnan(training)]
    edges = np.zeros(0, dtype=np.float32)
    if len(known):
        # Values that occur, not means of two: an edge must part the rows in float32 as it does here.
        inner = np.linspace(0, 1, _BINS + 1)[1:-1]
        edges = np.unique(np.quantile(known, inner, method="inverted_cdf")).astype(np.float32)
        if len(edges) == 1 and (known.min() < edges[0] or edges[0] == known.max()):
            edges = np.unique(np.append(np.nextafter(edges, np.float32(-np.inf)), edges))
    before, after = _counts(training, edges), _counts(test, edges)
    return Drift(name, stability_index(before, after), edges, _shares(before), _shares(after))


def stability_index(before: npt.NDArray[np.float64], after: npt.NDArray[np.float64]) -> float:
    """Returns the population stability index; float64 [k], rows in each bin, earlier and later."""
    p, q = ((counts + _PSEUDO) / (counts.sum() + _PSEUDO * len(counts)) for counts in (before, after))
    return float(np.sum((q - p) * np.log(q / p)))


def evenly(rows: int) -> npt.NDArray[np.intp]:
    """Returns the numbers of the rows that are looked at, of so many: all, or some evenly spread."""
    return np.linspace(0, rows - 1, min(rows, _MOST_ROWS)).astype(np.intp)


def _spread(rows: Float32) -> Float32:
    return rows if len(rows) <= _MOST_ROWS else rows[evenly(len(rows))]


def _shares(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return counts / max(float(counts.sum()), 1.0)


def _counts(values: Float32, edges: Float32) -> npt.NDArray[np.float64]:
    unset = np.isnan(values)
    place = np.where(unset, len(edges) + 1, np.searchsorted(edges, values, side="left"))
    return np.bincount(place, minlength=len(edges) + 2).astype(np.float64)
