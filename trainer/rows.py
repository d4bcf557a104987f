"""Rows to learn from, as every step of a fit passes them on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class TrainingRows:
    """Rows to learn from.

    features: float32 [n, columns], NaN for unset; label: float32 [n], 0 or 1; weight: float32 [n].
    """

    features: npt.NDArray[np.float32]
    label: npt.NDArray[np.float32]
    weight: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.label)
