"""Rows to learn from, as every step of a fit passes them on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from trainer.dataset.features import Features, loaded


@dataclass(frozen=True, slots=True, eq=False)
class TrainingRows:
    """Rows to learn from.

    held: float32 [n, columns], NaN for unset, or where such rows are read from; label: float32 [n], 0 or 1;
    weight: float32 [n]; age_days: float32 [n], days from a row to the end of the training, NaN for a row that
    was made up.
    """

    held: npt.NDArray[np.float32] | Features
    label: npt.NDArray[np.float32]
    weight: npt.NDArray[np.float32]
    age_days: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.label)

    @property
    def columns(self) -> int:
        """How many features a row has."""
        return int(self.held.shape[1])

    @property
    def features(self) -> npt.NDArray[np.float32]:
        """The features as one matrix, float32 [n, columns]; read each time where they are in parts."""
        return loaded(self.held)

    def blocks(self) -> Iterator[npt.NDArray[np.float32]]:
        """Yields the features in the order of the rows, a part at a time."""
        if isinstance(self.held, Features):
            yield from self.held.blocks()
        elif len(self):
            yield self.held

    def take(self, rows: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> TrainingRows:
        """Returns the rows of these numbers, or of this mask."""
        held = self.held.take(rows) if isinstance(self.held, Features) else self.held[rows]
        return TrainingRows(held, self.label[rows], self.weight[rows], self.age_days[rows])

    def only(self, columns: npt.NDArray[np.intp]) -> TrainingRows:
        """Returns the rows with these columns alone; the same rows where these are all of them."""
        if np.array_equal(columns, np.arange(self.columns)):
            return self
        if isinstance(self.held, Features):
            return replace(self, held=self.held.only(columns))
        return replace(self, held=np.ascontiguousarray(self.held[:, columns]))

    def with_rows(self, made: TrainingRows) -> TrainingRows:
        """Returns the rows, and behind them others that are in memory."""
        if isinstance(self.held, Features):
            held: npt.NDArray[np.float32] | Features = self.held.with_rows(made.features)
        else:
            held = np.concatenate([self.held, made.features])
        return TrainingRows(
            held,
            np.concatenate([self.label, made.label]),
            np.concatenate([self.weight, made.weight]),
            np.concatenate([self.age_days, made.age_days]),
        )
