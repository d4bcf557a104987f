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

    def take(self, reading: Reading) -> int:
        """Counts the valid transactions of a frame; returns how many were known before."""
        return self._history.backfill(reading.batch) if len(reading.batch) else 0


class OutcomeReports:
    """Takes outcomes into the history. Safe for threads."""

    def __init__(self, history: HistoryStore) -> None:
        self._history = history

    def take(
        self, outcomes: OutcomeBatch, places: npt.NDArray[np.int64], ids: list[str]
    ) -> dict[int, ServerError]:
        """Applies outcomes; returns, by place, why some were not.

        places: int64 [n], where each outcome stood in the request; ids: transaction ids by place.
        """
        if len(outcomes) == 0:
            return {}
        failures: dict[int, ServerError] = {}
        for place, status in zip(places.tolist(), self._history.report(outcomes).tolist(), strict=True):
            if status == OutcomeStatus.UNKNOWN:
                failures[place] = TransactionNotFoundError(ids[place])
            elif status == OutcomeStatus.BEFORE_EVENT:
                failures[place] = OutcomeConflictError(ids[place])
        return failures
