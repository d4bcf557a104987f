"""What a model carries to explain its scores: contributions of features that add up to its margin.

Which contributions those are is up to the kind of model; a file that holds one is in
`kuntur.reasons.file`, the words are in `kuntur.reasons.sentences`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


class ExplanationError(ValueError):
    """Data that are invalid or explain another model; the message says what is wrong."""


class Explanation(ABC):
    """Data that take a score apart. Safe for threads.

    columns: inputs of the model; base: its expected margin, what a score starts from; scale: log-odds for
    a unit of the margin, 1 where the margin is in log-odds.
    """

    columns: int
    base: float
    scale: float

    @abstractmethod
    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Returns what a file of it holds, by name."""

    @abstractmethod
    def in_margin(self, features: npt.NDArray[np.float32]) -> FloatArray:
        """Returns what each feature adds to the margin, float64 [n, columns].

        features: float32 [n, columns], C order. With `base` a row adds up to the model's margin.
        """

    def contributions(self, features: npt.NDArray[np.float32]) -> FloatArray:
        """Returns what each feature adds, in log-odds, float64 [n, columns]."""
        contributions = self.in_margin(features)
        return contributions if self.scale == 1.0 else contributions * self.scale


def largest_gap(
    explanation: Explanation, features: npt.NDArray[np.float32], margin: npt.NDArray[np.float32]
) -> float:
    """Returns the largest gap between the margins of rows and their contributions plus base.

    It is relative to margins beyond 1, which are float32, and absolute below. Infinite when one is NaN.
    """
    total = explanation.in_margin(features).sum(axis=1) + explanation.base
    wanted = margin.astype(np.float64)
    gap = np.abs(total - wanted) / np.maximum(np.abs(wanted), 1.0)
    return float(np.where(np.isnan(gap), np.inf, gap).max(initial=0.0))
