"""Outcomes taken back, held until they may be seen.

What becomes known within an hour counts for transactions of later hours only. An added outcome keeps to
that by the hour it is counted in; one that is taken back was counted in an earlier hour, and has to wait.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kuntur.features import FeatureEngine, FeatureMatrix
from kuntur.features.label_changes import LabelChanges
from kuntur.transaction import IntColumn, TransactionBatch

_HOUR_US = 3_600_000_000
_NEVER = np.iinfo(np.int64).max


class HeldCorrections:
    """Lets changes take effect before the first transaction of a later hour than they became known in."""

    def __init__(self, engine: FeatureEngine) -> None:
        self._engine = engine
        self._held: list[LabelChanges] = []
        self._next_hour = _NEVER  # the earliest hour in which something held became known

    def report(self, changes: LabelChanges) -> None:
        """Applies what is added, and holds what is taken back."""
        taken_back = changes.outcomes < 0
        if taken_back.any():
            held = changes.rows(taken_back)
            self._held.append(held)
            self._next_hour = min(self._next_hour, int(held.known_us.min()) // _HOUR_US)
            changes = changes.rows(~taken_back)
        self._engine.apply(changes)

    def process(self, batch: TransactionBatch) -> FeatureMatrix:
        """Gives the features of transactions, as `FeatureEngine.process`."""
        if not self._held:
            return self._engine.process(batch)
        hours: npt.NDArray[np.int64] = batch.ints[:, IntColumn.EVENT_TIME_US] // _HOUR_US
        parts, start = [], 0
        while len(later := np.flatnonzero(hours[start:] > self._next_hour)):
            stop = start + int(later[0])
            parts.append(self._engine.process(batch.rows(slice(start, stop))))
            self._release(int(hours[stop]))
            start = stop
        parts.append(self._engine.process(batch.rows(slice(start, None))))
        return np.concatenate(parts)

    def _release(self, hour: int) -> None:
        waiting: list[LabelChanges] = []
        for changes in self._held:
            due = changes.known_us // _HOUR_US < hour
            self._engine.apply(changes.rows(due))
            if not due.all():
                waiting.append(changes.rows(~due))
        self._held = waiting
        earliest = [int(changes.known_us.min()) // _HOUR_US for changes in waiting]
        self._next_hour = min(earliest, default=_NEVER)
