"""Rows to learn from, as every step of a fit passes them on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class TrainingRows:
    """Rows to learn from.

    features: float32 [n, columns], NaN for unset; label: float32 [n], 0 or 1; weight: float32 [n]; age_days:
    float32 [n], days from a row to the end of the training, NaN for a row that was made up.
    """

    features: npt.NDArray[np.float32]
    label: npt.NDArray[np.float32]
    weight: npt.NDArray[np.float32]
    age_days: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.label)

    def take(self, rows: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> TrainingRows:
        """Returns the rows of these numbers, or of this mask."""
        return TrainingRows(self.features[rows], self.label[rows], self.weight[rows], self.age_days[rows])

    def only(self, columns: npt.NDArray[np.intp]) -> TrainingRows:
        """Returns the rows with these columns alone; the same rows where these are all of them."""
        if np.array_equal(columns, np.arange(self.features.shape[1])):
            return self
        return replace(self, features=np.ascontiguousarray(self.features[:, columns]))
