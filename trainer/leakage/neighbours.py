"""Rows beside each other: in the file, in time, in an account, at a merchant.

A label that slipped by a row in whatever order the data were prepared in is the label of one of these.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trainer.dataset.training_set import Dataset

SHIFTS = tuple(shift for distance in range(1, 6) for shift in (distance, -distance))
_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """An order of rows.

    name: in words; order: intp [n], rows one behind the other; group: int64 [n], of each row, across which
    there are no neighbours; None for one group; -1 for a row that belongs to none.
    """

    name: str
    order: npt.NDArray[np.intp]
    group: npt.NDArray[np.int64] | None

    def neighbour(self, shift: int) -> npt.NDArray[np.intp]:
        """Returns the row `shift` places behind each row (before it: negative), -1 without one."""
        n = len(self.order)
        place = np.arange(max(0, -shift), min(n, n - shift))
        row, other = self.order[place], self.order[place + shift]
        if self.group is not None:
            same = (self.group[row] == self.group[other]) & (self.group[row] >= 0)
            row, other = row[same], other[same]
        found = np.full(n, -1, dtype=np.intp)
        found[row] = other
        return found


def neighbourhoods(dataset: Dataset) -> Iterator[Neighbourhood]:
    """Yields the orders in which a label may have slipped; those that are the same only once."""
    by_time = np.arange(len(dataset))
    by_source = np.argsort(dataset.source_row, kind="stable")
    yield Neighbourhood("order of time", by_time, None)
    if not np.array_equal(by_source, by_time):
        yield Neighbourhood("order of the source", by_source, None)
    for name, group in (("account", dataset.account), ("merchant", dataset.merchant)):
        if (group >= 0).any():
            yield Neighbourhood(f"order of its {name}", np.argsort(group, kind="stable"), group)


def known_from_us(dataset: Dataset) -> npt.NDArray[np.int64]:
    """Returns when each row was first reported as fraud, int64 [n]; the end of time if it never was."""
    known = np.full(len(dataset), _NEVER, dtype=np.int64)
    outcomes = dataset.outcomes
    fraud = np.flatnonzero(outcomes.is_fraud)[::-1]  # by report, the first one last, so that it stays
    known[outcomes.row[fraud]] = outcomes.reported_time_us[fraud]
    return known
