"""What outcomes do to the histories, in the order in which they become known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kuntur.transaction import KeyColumn, OutcomeBatch


@dataclass(frozen=True, slots=True)
class LabelChanges:
    """Additions to label windows, by the time at which they become known.

    keys: uint64 [n, len(KeyColumn)]; known_us: int64 [n], when the change is made, ascending where
    `label_changes` made them; counted_us: int64 [n], the report in whose hour it counts; frauds, outcomes:
    int8 [n], −1, 0 or 1, what is added.
    """

    keys: npt.NDArray[np.uint64]
    known_us: npt.NDArray[np.int64]
    counted_us: npt.NDArray[np.int64]
    frauds: npt.NDArray[np.int8]
    outcomes: npt.NDArray[np.int8]

    def rows(self, selection: slice | npt.NDArray[np.bool_]) -> LabelChanges:
        """Returns some of the changes."""
        return LabelChanges(
            np.ascontiguousarray(self.keys[selection]),
            self.known_us[selection],
            self.counted_us[selection],
            self.frauds[selection],
            self.outcomes[selection],
        )


def label_changes(outcomes: OutcomeBatch) -> LabelChanges:
    """Returns the changes that outcomes cause, as a server makes them that receives them in order.

    Of several outcomes of one transaction, one that repeats what is known changes nothing, and one that
    contradicts it takes the earlier one back.
    """
    order = np.argsort(outcomes.reported_time_us, kind="stable")
    ascending = np.sort(outcomes.keys[:, KeyColumn.TRANSACTION])
    if not (ascending[1:] == ascending[:-1]).any():  # as nearly always: nothing to compare, much to save
        ones = np.ones(len(order), dtype=np.int8)
        return _changes(outcomes, order, outcomes.reported_time_us[order], ones)
    order = order[np.argsort(outcomes.keys[order, KeyColumn.TRANSACTION], kind="stable")]
    transaction, fraud = outcomes.keys[order, KeyColumn.TRANSACTION], outcomes.is_fraud[order]
    changed = np.ones(len(order), dtype=np.bool_)
    changed[1:] = (transaction[1:] != transaction[:-1]) | (fraud[1:] != fraud[:-1])
    order, transaction = order[changed], transaction[changed]
    corrections = np.flatnonzero(transaction[1:] == transaction[:-1]) + 1
    corrected = order[corrections - 1]
    made = np.concatenate([order, corrected])
    known_us = outcomes.reported_time_us[np.concatenate([order, order[corrections]])]
    signs = np.repeat(np.array([1, -1], dtype=np.int8), [len(order), len(corrected)])
    by_time = np.argsort(known_us, kind="stable")
    return _changes(outcomes, made[by_time], known_us[by_time], signs[by_time])


def _changes(
    outcomes: OutcomeBatch,
    made: npt.NDArray[np.intp],
    known_us: npt.NDArray[np.int64],
    signs: npt.NDArray[np.int8],
) -> LabelChanges:
    return LabelChanges(
        outcomes.keys[made],
        known_us,
        outcomes.reported_time_us[made],
        signs * outcomes.is_fraud[made].astype(np.int8),
        signs,
    )
