"""Histories in this process, gone when it ends."""

from __future__ import annotations

import threading

import numpy as np
import numpy.typing as npt

from kuntur.features import FeatureEngine, FeatureMatrix, RecentTransactions
from kuntur.transaction import KeyColumn, OutcomeBatch, TransactionBatch
from server.state.corrections import HeldCorrections
from server.state.history import HistoryCounts, HistoryStore

_TRANSACTION = int(KeyColumn.TRANSACTION)


class MemoryHistory(HistoryStore):
    """A `HistoryStore` over one engine and one table of recent transactions."""

    def __init__(self, *, recent_transactions: int, entities: int) -> None:
        """Starts empty.

        recent_transactions: how many are remembered by id; entities: of each kind there is room for at
        first, it grows by itself.
        """
        self._engine = FeatureEngine(entities)
        self._corrections = HeldCorrections(self._engine)
        self._recent = RecentTransactions(recent_transactions)
        self._repeated = 0
        # Held for the two compiled calls only; reading, inference and writing are outside of it.
        self._lock = threading.Lock()

    def score_features(self, batch: TransactionBatch) -> FeatureMatrix:
        """Counts transactions and gives their features."""
        with self._lock:
            self._repeated += self._recent.admit(batch.keys, batch.ints)
            return self._corrections.process(batch)

    def backfill(self, batch: TransactionBatch) -> int:
        """Counts transactions; gives how many were known before."""
        with self._lock:
            repeated = self._recent.admit(batch.keys, batch.ints)
            self._repeated += repeated
            self._corrections.process(batch)
        return repeated

    def report(self, outcomes: OutcomeBatch) -> npt.NDArray[np.int8]:
        """Lets outcomes enter the history; gives the status of each."""
        transactions = np.ascontiguousarray(outcomes.keys[:, _TRANSACTION])
        with self._lock:
            statuses, changes = self._recent.resolve(
                transactions, outcomes.reported_time_us, outcomes.is_fraud
            )
            self._corrections.report(changes)
        return statuses

    def counts(self) -> HistoryCounts:
        """Tells what the store holds and what came to it."""
        with self._lock:
            engine, recent, repeated = self._engine.counts, len(self._recent), self._repeated
        return HistoryCounts(
            entities=engine.entities,
            recent_transactions=recent,
            repeated=repeated,
            late=engine.late,
            late_dropped=engine.late_dropped,
            outcomes_late=engine.outcomes_late,
        )
