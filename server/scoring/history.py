"""What enters the history without a score: past transactions, and outcomes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kuntur.history.outcomes import OutcomeStatus
from kuntur.transaction import OutcomeBatch
from kuntur.wire import Reading
from server.errors import OutcomeConflictError, ServerError, TransactionNotFoundError
from server.state import HistoryStore


class Backfill:
    """Takes past transactions into the history. Safe for threads."""

    def __init__(self, history: HistoryStore) -> None:
        self._history = history

    def take(self, reading: Reading, entry: bytes) -> int:
        """Counts the valid transactions of a frame; returns how many were known before.

        entry: what is written into the journal in front of them.
        """
        if len(reading.batch) == 0:
            return 0
        return self._history.admit(reading.batch, reading.places, entry, scored=False).known


class OutcomeReports:
    """Takes outcomes into the history. Safe for threads."""

    def __init__(self, history: HistoryStore) -> None:
        self._history = history

    def take(
        self, outcomes: OutcomeBatch, places: npt.NDArray[np.int64], ids: list[str], entry: bytes
    ) -> tuple[dict[int, ServerError], int]:
        """Applies outcomes; returns, by place, why some were not, and the sequence of the journal's entry.

        places: int64 [n], where each outcome stood in the request; ids: transaction ids by place; entry: what
        is written into the journal in front of them.
        """
        failures: dict[int, ServerError] = {}
        reported = self._history.admit_outcomes(outcomes, entry)
        for place, status in zip(places.tolist(), reported.statuses.tolist(), strict=True):
            if status == OutcomeStatus.UNKNOWN:
                failures[place] = TransactionNotFoundError(ids[place])
            elif status == OutcomeStatus.BEFORE_EVENT:
                failures[place] = OutcomeConflictError(ids[place])
        return failures, reported.sequence

    def answered(self, entry: bytes) -> int | None:
        """Writes down what a report was answered, an entry of the journal; returns its sequence."""
        nothing = np.empty((0, 2), dtype=np.int64)
        return self._history.answer(np.empty((0, 1), dtype=np.uint64), nothing, entry, None)
