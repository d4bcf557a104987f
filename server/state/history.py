"""What the server asks of a store of histories. How they are kept is left to `region` and `redis`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

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


class Admitted(NamedTuple):
    """Transactions that entered the history, or were known.

    features: float32 [n, len(CATALOGUE)], of what was known whatever they are; trail: int64 [n, 2], of
    `kuntur.history.answers`; sequence: of the journal's entry, 0 where none was written; known: how many were
    known before; number, entry: what a store elsewhere tells this admission from others by, and its entry.
    """

    features: FeatureMatrix
    trail: npt.NDArray[np.int64]
    sequence: int
    known: int
    number: int = 0
    entry: bytes = b""


class Earlier(NamedTuple):
    """What is known of a transaction that came before.

    content: hash of its bytes, 0 where that is not known; twin: its place, where it entered with the same
    admission and has no answer yet; answered: whether it has one; score: the first one, a serialised Score,
    None also where it is gone; sequence: of the journal's entry with it, 0 where it is not from this journal;
    request: returns what came first, a serialised Transaction, None where it is gone; features: returns those
    that it had when it entered, float32 [len(CATALOGUE)], None where they are forgotten or it was not to be
    scored.
    """

    content: int
    twin: int | None
    answered: bool
    score: bytes | None
    sequence: int
    request: Callable[[], bytes | None]
    features: Callable[[], npt.NDArray[np.float32] | None]


class Reported(NamedTuple):
    """Outcomes that entered. statuses: int8 [n], an `OutcomeStatus` each; sequence: as for `Admitted`."""

    statuses: npt.NDArray[np.int8]
    sequence: int


class HistoryStore(ABC):
    """Histories of entities and the table of recent transactions, as one.

    Each method is atomic and safe for threads: calls take effect one after the other, and a batch is
    never seen in part. The order of calls is the order in which transactions are counted.
    """

    remote = False
    """Whether calls wait for another machine."""

    def score_features(self, batch: TransactionBatch) -> FeatureMatrix:
        """Counts transactions and returns their features, float32 [n, len(CATALOGUE)], without a journal.

        Each row sees the rows and calls before it, never itself. A transaction whose key is among the
        recent ones, or earlier in the batch, gets its features and is not counted again. COUNTED of
        `batch.ints` may be changed in place.
        """
        return self.admit(batch, np.zeros(len(batch), dtype=np.int64), b"", scored=True).features

    def backfill(self, batch: TransactionBatch) -> int:
        """Counts transactions as `score_features` does; returns how many were known before."""
        return self.admit(batch, np.zeros(len(batch), dtype=np.int64), b"", scored=False).known

    def report(self, outcomes: OutcomeBatch) -> npt.NDArray[np.int8]:
        """Lets outcomes enter the history, without a journal; returns an `OutcomeStatus` each, int8 [n]."""
        return self.admit_outcomes(outcomes, b"").statuses

    @abstractmethod
    def admit(
        self, batch: TransactionBatch, places: npt.NDArray[np.int64], entry: bytes, *, scored: bool
    ) -> Admitted:
        """Writes an entry of the journal, and counts its transactions.

        Where all of them are known and were answered, neither is done.

        Args:
            batch: As for `score_features`; COUNTED of those that were known becomes 0.
            places: int64 [n], places of the transactions among those of the entry's requests.
            entry: Of `kuntur.journal.entries.admission`; none: nothing is written.
            scored: Whether they will be answered with a score.

        """

    @abstractmethod
    def answer(
        self,
        keys: npt.NDArray[np.uint64],
        trail: npt.NDArray[np.int64],
        entry: bytes,
        admitted: Admitted | None,
    ) -> int | None:
        """Writes an entry of the journal, and remembers that transactions were answered with it.

        keys: uint64 [n, 1 or KeyColumn], of transactions; trail: int64 [n, 2], as it was admitted; entry: of
        `kuntur.journal.entries.answer`; admitted: what they came with, None where there are none. Returns the
        entry's sequence; None, with nothing done, where one of them has an answer by now.
        """

    @abstractmethod
    def earlier(self, admitted: Admitted, keys: npt.NDArray[np.uint64], rows: Sequence[int]) -> list[Earlier]:
        """Returns what is known of some transactions of an admission.

        keys: uint64 [n, 1 or KeyColumn], of all of them.
        """

    @abstractmethod
    def admit_outcomes(self, outcomes: OutcomeBatch, entry: bytes) -> Reported:
        """Writes an entry of the journal, and lets its outcomes enter.

        Only the TRANSACTION column of the keys is read. An outcome that repeats what is known changes
        nothing; one that contradicts it takes the earlier one back. entry: of
        `kuntur.journal.entries.admission`; none: nothing is written.
        """

    @abstractmethod
    def counts(self) -> HistoryCounts:
        """Returns what the store holds, and what it has received."""
