"""The table of recent transactions by itself, one transaction or outcome after the other."""

from __future__ import annotations

import numpy as np

from kuntur.features.kernel import Change
from kuntur.features.label_changes import LabelChanges
from kuntur.history import outcomes, recent
from kuntur.records.undo import NO_UNDO
from kuntur.transaction import KeyColumn


class RecentTable:
    """The latest `capacity` transactions, in memory of its own."""

    def __init__(self, capacity: int) -> None:
        self._memory = np.zeros(recent.words_needed(capacity), dtype=np.int64)
        recent.lay_out(self._memory, capacity, 0)

    def __len__(self) -> int:
        return recent.known(self._memory)

    def admit(self, keys: np.ndarray, ints: np.ndarray) -> int:
        """Remembers transactions and sets COUNTED of those known before to 0; returns how many those were."""
        return sum(recent.admit(self._memory, NO_UNDO, keys, ints, i, 0)[0] for i in range(len(keys)))

    def resolve(
        self, transactions: np.ndarray, times_us: np.ndarray, is_fraud: np.ndarray
    ) -> tuple[np.ndarray, LabelChanges]:
        """Remembers outcomes; returns the status of each and the changes they cause, in their order."""
        statuses, changes = np.empty(len(transactions), dtype=np.int8), []
        for i, (transaction, time_us) in enumerate(zip(transactions, times_us.tolist(), strict=True)):
            found = outcomes.resolve(self._memory, NO_UNDO, transaction, time_us, is_fraud[i])
            statuses[i] = found.status
            if found.status == outcomes.CORRECTED:
                changes.append((transaction, time_us, outcomes.taken_back.py_func(found)))
            if found.status in {outcomes.APPLIED, outcomes.CORRECTED}:
                changes.append((transaction, time_us, outcomes.added.py_func(found, time_us, is_fraud[i])))
        return statuses, _gathered(changes)


def _gathered(changes: list[tuple[np.uint64, int, Change]]) -> LabelChanges:
    keys = np.zeros((len(changes), len(KeyColumn)), dtype=np.uint64)
    for row, (transaction, _, change) in enumerate(changes):
        keys[row, : KeyColumn.COUNTERPARTY] = [
            transaction, change.account, change.merchant, change.device, change.category,
        ]  # fmt: skip
    return LabelChanges(
        keys,
        np.array([known_us for _, known_us, _ in changes], dtype=np.int64),
        np.array([change.counted_us for *_, change in changes], dtype=np.int64),
        np.array([change.fraud for *_, change in changes], dtype=np.int8),
        np.array([change.outcome for *_, change in changes], dtype=np.int8),
    )
