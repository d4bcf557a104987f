"""The one face of a history in memory: where its parts lie, what is counted in it, how it is looked through.

The parts are arrays of 64-bit words: a table of `kuntur.records.table` for each kind of entity, recent
transactions, outcomes held back, counters and an undo log. Where the memory comes from, who else uses it and
who holds a lock around each call is left to others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import astuple, dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from kuntur.features import CATALOGUE, FeatureMatrix
from kuntur.features.engine import ENTITIES
from kuntur.features.kernel import C_DAMAGED, C_LATE, C_LATE_DROPPED, C_OUTCOMES_LATE
from kuntur.history import answers, held, recent, repair, scrub, serving
from kuntur.history.answers import Known
from kuntur.history.repair import Repair
from kuntur.history.serving import (
    C_BASE,
    C_CHECKS,
    C_JOURNAL,
    C_REPEATED,
    C_ROWS,
    C_SEQUENCE,
    SEALED_COUNTERS,
)
from kuntur.records import table, undo
from kuntur.records.seals import seal_header
from kuntur.transaction import KeyColumn, OutcomeBatch, TransactionBatch

Memory = npt.NDArray[np.int64]
COUNTER_WORDS = serving.COUNTER_WORDS
# Counters of `HistoryMemory.counters`, by name.
COUNTED = {
    "late": C_LATE,
    "late_dropped": C_LATE_DROPPED,
    "outcomes_late": C_OUTCOMES_LATE,
    "repeated": C_REPEATED,
}
_TRANSACTIONS_FOR_A_RECORD = 8  # that are looked at in about the same time
_TRANSACTION = int(KeyColumn.TRANSACTION)
_ROW_FLOATS = len(CATALOGUE) + len(CATALOGUE) % 2
NO_JOURNAL = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class HistorySizes:
    """The most records of each kind that a history holds."""

    accounts: int
    merchants: int
    devices: int
    categories: int
    recent_transactions: int
    held_corrections: int = 4096

    def capacities(self) -> Iterator[tuple[str, int, int]]:
        """Yields the kinds of entities, the words of a record without its seal, and how many fit."""
        for (kind, words), capacity in zip(ENTITIES.items(), astuple(self), strict=False):
            yield kind, words, capacity


def words_of_parts(sizes: HistorySizes, *, sealed: bool) -> dict[str, int]:
    """Returns the length of each part but the counters, by name.

    sealed: whether records end with a seal, as in memory that is shared or a file.
    """
    lengths = {"undo": undo.UNDO_WORDS}
    for kind, words, capacity in sizes.capacities():
        lengths[kind] = table.words_needed(words + sealed, capacity)
    lengths["recent"] = recent.words_needed(sizes.recent_transactions)
    lengths["held"] = held.sealed_words_needed(sizes.held_corrections)
    lengths["open"] = answers.OPEN_ROWS * _ROW_FLOATS // 2
    return lengths


class HistoryMemory:
    """A history in memory. Not safe for threads, and not for other processes.

    tables: of `kuntur.features.engine.ENTITIES`, in that order; recent, held: of the modules of these names;
    counters: those of `kuntur.history.serving`; open: rows of features, float32; undo: the log of what a step
    overwrites, empty in memory that dies with its process, which is not sealed either.
    """

    def __init__(self, parts: Mapping[str, Memory], counters: Memory, undo_log: Memory) -> None:
        """Takes the parts by the names of `words_of_parts`."""
        self.tables = tuple(parts[kind] for kind in ENTITIES)
        self.recent, self.held = parts["recent"], parts["held"]
        self.counters, self.undo = counters, undo_log
        self.open = parts["open"].view(np.float32).reshape(-1, _ROW_FLOATS)
        self._parts = (*self.tables, self.recent, self.held, counters, undo_log)
        # Read with each call: faster than an array is.
        self._counters = memoryview(counters.data)

    @property
    def is_sealed(self) -> bool:
        """Whether it is shared or a file, with checksums and an undo log."""
        return len(self.undo) > 0

    @property
    def damaged(self) -> int:
        """How often something was found damaged."""
        return self._counters[C_DAMAGED]

    def take_transactions(
        self,
        batch: TransactionBatch,
        offsets: npt.NDArray[np.int64],
        out: FeatureMatrix,
        trail: Memory,
        journal: Memory = NO_JOURNAL,
        *,
        first: int = 0,
        scored: bool = True,
        sequence: int = 0,
        entries: int = 1,
    ) -> int:
        """Counts transactions from one of a batch on, and writes their features.

        Args:
            batch: One transaction at least; COUNTED of those that were known becomes 0.
            offsets: Of the time zone.
            out: float32 [n, len(CATALOGUE)], written.
            trail: int64 [n, 2], of `kuntur.history.answers`: places, and slots, which are written.
            journal: As `kuntur.history.serving` has it.
            first: The first that is counted.
            scored: Whether they will be answered with a score.
            sequence: Of their entry; 0: of the next; -1: places are whole references. A place may reach into
                the entries behind it.
            entries: How many entries the history contains with them.

        Returns:
            How many were known before; a number below 0 when it met damage, of which -1 - number is how many
            were counted; SETTLED or BEHIND of `kuntur.history.serving` when nothing was done.

        """
        if first:
            batch, out, trail = batch.rows(slice(first, None)), out[first:], trail[first:]
        repeated: int = serving.take_transactions(
            batch.keys,
            batch.ints,
            batch.floats,
            offsets,
            *self._parts,
            self.open,
            out,
            trail,
            scored,
            sequence,
            entries,
            journal,
        )
        return repeated

    def take_answers(
        self,
        keys: npt.NDArray[np.uint64],
        trail: Memory,
        journal: Memory = NO_JOURNAL,
        *,
        sequence: int = 0,
        entries: int = 1,
    ) -> int:
        """Remembers that transactions were answered, with the next entry of the journal.

        Returns 0; ANSWERED or BEHIND of `kuntur.history.serving` when nothing was done; -1 for damage.
        keys: uint64 [n, 1 or KeyColumn], of transactions; the rest as for `take_transactions`.
        """
        done: int = serving.take_answers(
            keys, trail, self.recent, self.counters, self.undo, sequence, entries, journal
        )
        return done

    def known_at(self, slot: int, key: int) -> Known:
        """Returns what is known of a recent transaction."""
        return answers.known_at(self.recent, slot, key)

    def open_features(self, slot: int) -> npt.NDArray[np.float32] | None:
        """Returns the features of a recent transaction, float32 [len(CATALOGUE)]; None: forgotten."""
        row = answers.open_row(self.recent, slot)
        return None if row < 0 else self.open[row, : len(CATALOGUE)].copy()

    @property
    def contains(self) -> tuple[int, int]:
        """The sequence of the last entry of the journal that it contains, and how many rows of the next."""
        return self._counters[C_SEQUENCE], self._counters[C_ROWS]

    @property
    def journal(self) -> int:
        """Which journal it is of; 0: of none."""
        return self._counters[C_JOURNAL]

    def oldest_entry(self) -> int:
        """Returns the sequence of the earliest entry with an answer, or a request that has none.

        Where there is none of either it is above all others.
        """
        return int(answers.oldest_reference(self.recent)) >> answers.PLACE_BITS

    def begin_journal(self, journal: int, sequence: int = 0) -> None:
        """Takes up a journal that has nothing of what it contains, behind an entry of it."""
        answers.forget_answers(self.recent, self.undo)
        self.belongs_to(journal, sequence)

    def belongs_to(self, journal: int, sequence: int) -> None:
        """Notes of which journal it is, and the last entry that it contains of that."""
        serving.note_contained(self.counters, self.undo, journal, sequence)

    def take_outcomes(
        self,
        outcomes: OutcomeBatch,
        statuses: npt.NDArray[np.int8],
        journal: Memory = NO_JOURNAL,
        *,
        first: int = 0,
        entries: int = 1,
    ) -> int:
        """Lets outcomes from one on enter, and writes an `OutcomeStatus` each; one at least.

        Returns 0, or a number below 0 as `take_transactions` does. journal, entries: as there.
        """
        done: int = serving.take_outcomes(
            np.ascontiguousarray(outcomes.keys[first:, _TRANSACTION]),
            outcomes.reported_time_us[first:],
            outcomes.is_fraud[first:],
            statuses[first:],
            *self._parts,
            entries,
            journal,
        )
        return done

    def are_headers_usable(self) -> bool:
        """Tells whether all headers are as they were sealed."""
        return bool(serving.are_usable(*self._parts))

    def records_in_use(self) -> dict[str, int]:
        """Returns how many records there are, by kind of entity."""
        return {kind: int(words[table.P_USED]) for kind, words in zip(ENTITIES, self.tables, strict=True)}

    def evicted(self) -> dict[str, int]:
        """Returns how many records made room for others, by kind of entity."""
        return {kind: int(words[table.P_EVICTED]) for kind, words in zip(ENTITIES, self.tables, strict=True)}

    def transactions_known(self) -> int:
        """Returns how many transactions are remembered by their ids."""
        return recent.known(self.recent)

    def counted(self) -> dict[str, int]:
        """Returns the counters of COUNTED by name."""
        return {name: self._counters[place] for name, place in COUNTED.items()}

    def times_checked(self) -> int:
        """Returns how often all was looked through."""
        return self._counters[C_CHECKS]

    def checks(self, records: int) -> Iterator[Callable[[], bool]]:
        """Yields the steps that look all of it through once, each so many records.

        Each tells whether what it looked at is as it was written. Another caller may use the history between
        two steps.
        """
        for words in self.tables:
            for first in _firsts(partial(_used, words), records):
                yield partial(scrub.records_hold, words, first, records, self.undo)
        few = records * _TRANSACTIONS_FOR_A_RECORD
        for first in _firsts(self.transactions_known, few):
            yield partial(scrub.transactions_hold, self.recent, first, few, self.undo)
        yield partial(held.rows_hold, self.held, self.undo)

    def count_check(self) -> None:
        """Counts that all was looked through once more."""
        scrub.count_check(self.counters, self.undo)

    def lay_out(self, sizes: HistorySizes, starts: Mapping[str, int]) -> None:
        """Makes zeroed parts an empty history; starts: where each stands in the whole memory."""
        for (kind, words, capacity), memory in zip(sizes.capacities(), self.tables, strict=True):
            table.lay_out(memory, words + self.is_sealed, capacity, starts[kind])
            seal_header(memory, table.SEALED_WORDS, self.undo)
        recent.lay_out(self.recent, sizes.recent_transactions, starts["recent"])
        seal_header(self.recent, recent.SEALED_WORDS, self.undo)
        held.lay_out(self.held, sizes.held_corrections, starts["held"])
        held.seal_header(self.held, self.undo)
        self._seal_counters(starts["counters"])
        if self.is_sealed:
            undo.start_undo(self.undo)

    def roll_back(self, whole: Memory) -> bool:
        """Puts back a step that was not ended; whole: the memory in which the starts of parts count.

        Returns False when the undo log is damaged: then everything has to be looked through.
        """
        return bool(undo.roll_back(self.undo, whole) != undo.DAMAGED)

    def mend(
        self, sizes: HistorySizes, starts: Mapping[str, int], entries: Callable[[int, int], int]
    ) -> Iterator[tuple[str, Repair]]:
        """Looks each part through and mends what is not as it was sealed; yields what was wrong with it.

        entries: counts how many words of the whole memory are not 0, from a first one on. The counters are
        right once the last part was yielded.
        """
        damaged = 0
        for part, found in self._mended(sizes, starts, entries):
            damaged += found.lost + found.header + found.index
            yield part, found
        self.counters[C_DAMAGED] += damaged
        self._seal_counters(starts["counters"])

    def _mended(
        self, sizes: HistorySizes, starts: Mapping[str, int], entries: Callable[[int, int], int]
    ) -> Iterator[tuple[str, Repair]]:
        for (kind, words, capacity), memory in zip(sizes.capacities(), self.tables, strict=True):
            in_index = entries(starts[kind] + table.HEADER_WORDS, table.places(capacity))
            yield kind, repair.mend_table(memory, words + 1, capacity, starts[kind], in_index)
        capacity = sizes.recent_transactions
        in_index = entries(starts["recent"] + recent.HEADER_WORDS, recent.places(capacity))
        yield "recent transaction", repair.mend_recent(self.recent, capacity, starts["recent"], in_index)
        capacity = sizes.held_corrections
        yield "held correction", repair.mend_held(self.held, capacity, starts["held"])
        yield "counters", repair.mend_counters(self.counters, SEALED_COUNTERS)

    def _seal_counters(self, start: int) -> None:
        self.counters[C_BASE] = start
        seal_header(self.counters, SEALED_COUNTERS, self.undo)


def _used(memory: Memory) -> int:
    return int(memory[table.P_USED])


def _firsts(used: Callable[[], int], step: int) -> Iterator[int]:
    """Yields the first number of each step, while there are records."""
    first = 0
    while first < used():
        yield first
        first += step
