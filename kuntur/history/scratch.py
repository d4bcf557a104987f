"""A history for one frame: filled with records that were lent, read for what changed, emptied.

It is large enough for all that a frame touches, so that nothing is evicted from it, and the compiled loops
are the very same. Where records come from and go to is left to others.
"""

from __future__ import annotations

import numpy as np

from kuntur.features.engine import ENTITIES
from kuntur.history import held, recent
from kuntur.history.memory import COUNTER_WORDS, HistoryMemory, HistorySizes, Memory
from kuntur.records import adding, table
from kuntur.records.undo import NO_UNDO

HELD_CORRECTIONS = 4096  # as many as a region holds
RECORD_WORDS = (*ENTITIES.values(), recent.RECORD_WORDS)  # of each kind of entity, and of a transaction
TRANSACTIONS = len(ENTITIES)  # their place among the kinds


class Scratch(HistoryMemory):
    """A history for a frame. Not safe for threads."""

    def __init__(self, capacity: int) -> None:
        """Starts empty, with room for `capacity` records of each kind."""
        self.capacity = capacity
        sizes = HistorySizes(capacity, capacity, capacity, capacity, capacity, HELD_CORRECTIONS)
        lengths = {kind: table.words_needed(words, capacity) for kind, words in ENTITIES.items()}
        lengths["recent"] = recent.words_needed(capacity)
        lengths["held"] = held.words_needed(HELD_CORRECTIONS)
        lengths["open"] = 0  # another machine answers with what Redis holds
        parts = {name: np.zeros(words, dtype=np.int64) for name, words in lengths.items()}
        super().__init__(parts, np.zeros(COUNTER_WORDS, dtype=np.int64), NO_UNDO)
        self.lay_out(sizes, dict.fromkeys((*lengths, "counters"), 0))

    def bring_in(self, kind: int, rows: Memory) -> None:
        """Puts in records of a kind, by its place in RECORD_WORDS; rows: int64 [n, 1 + words].

        The first word of each row is not looked at.
        """
        if kind == TRANSACTIONS:
            recent.bring_in(self.recent, rows)
        else:
            adding.bring_in(self.tables[kind], rows)

    def bring_in_held(self, words: Memory) -> None:
        """Puts in held corrections, or only the header of their memory; no words: there are none."""
        self.held[: len(words)] = words
        if not len(words):
            self.held[held.P_COUNT] = 0
            held.lay_out(self.held, HELD_CORRECTIONS, 0)

    def records(self, kind: int) -> Memory:
        """Returns the records of a kind, int64 [records, words], in the order in which they came."""
        if kind == TRANSACTIONS:
            memory, used = self.recent, int(self.recent[recent.P_ADMITTED])
            start = recent.HEADER_WORDS + int(memory[recent.P_PLACES])
        else:
            memory = self.tables[kind]
            used, start = int(memory[table.P_USED]), int(table.record_start(memory, 0))
        words = RECORD_WORDS[kind]
        return memory[start : start + used * words].reshape(used, words)

    def held_words(self) -> Memory:
        """Returns the held corrections, as `bring_in_held` takes them."""
        return self.held[: held.words_needed(held.count(self.held))]

    def clear(self) -> None:
        """Makes it hold nothing."""
        for memory in self.tables:
            table.clear(memory)
        recent.clear(self.recent)
        self.bring_in_held(self.held[:0])
        self.counters[:] = 0
