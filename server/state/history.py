"""What the server asks of a store of histories. How they are kept is left to `region` and `redis`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kuntur.features import FeatureMatrix
from kuntur.transaction import OutcomeBatch, TransactionBatch


@dataclass(frozen=True, slots=True)
class HistoryCounts:
    """What a store holds, and what it has received.

    entities: records by kind; evicted: records by kind that made room for others; recent_transactions:
    those that an outcome can still be about; repeated: transactions that came again; late,
    late_dropped, outcomes_late: as in `EngineCounts`; damaged: records that were not as they were written,
    whose entities started afresh, and headers and indexes that were rebuilt; checks: how often all of it was
    checked in the background.
    """

    entities: dict[str, int]
    evicted: dict[str, int]
    recent_transactions: int
    repeated: int
    late: int
    late_dropped: int
    outcomes_late: int
    damaged: int = 0
    checks: int = 0


class HistoryStore(ABC):
    """Histories of entities and the table of recent transactions, as one.

    Each method is atomic and safe for threads: calls take effect one after the other, and a batch is
    never seen in part. The order of calls is the order in which transactions are counted.
    """

    remote = False
    """Whether calls wait for another machine."""

    @abstractmethod
    def score_features(self, batch: TransactionBatch) -> FeatureMatrix:
        """Counts transactions and returns their features, float32 [n, len(CATALOGUE)].

        Each row sees the rows and calls before it, never itself. A transaction whose key is among the
        recent ones, or earlier in the batch, gets its features and is not counted again. COUNTED of
        `batch.ints` may be changed in place.
        """

    @abstractmethod
    def backfill(self, batch: TransactionBatch) -> int:
        """Counts transactions as `score_features` does; returns how many were known before."""

    @abstractmethod
    def report(self, outcomes: OutcomeBatch) -> npt.NDArray[np.int8]:
        """Lets outcomes enter the history; returns the `OutcomeStatus` of each, int8 [n].

        Only the TRANSACTION column of the keys is read. An outcome that repeats what is known changes
        nothing; one that contradicts it takes the earlier one back.
        """

    @abstractmethod
    def counts(self) -> HistoryCounts:
        """Returns what the store holds, and what it has received."""
