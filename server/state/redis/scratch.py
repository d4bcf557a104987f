"""The tables in which a frame is counted: filled with what was gathered, read for what changed, emptied.

They are those of a region, large enough for all that a frame touches, so that nothing is evicted from them
and the compiled engine is the very same. Where records come from and go to is left to others.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from kuntur.features.engine import ENTITIES
from kuntur.history import held, recent
from kuntur.history.recent import room_for_changes
from kuntur.history.serving import COUNTER_WORDS
from kuntur.records import table
from kuntur.records.undo import NO_UNDO

Memory = npt.NDArray[np.int64]
HELD_CORRECTIONS = 4096  # as many as a region holds
RECORD_WORDS = (*ENTITIES.values(), recent.RECORD_WORDS)  # of the kinds of `redis_scripts.KINDS`
_TRANSACTIONS = len(ENTITIES)


class Scratch:
    """Tables for a frame. Not safe for threads."""

    def __init__(self, capacity: int) -> None:
        """Starts empty, with room for `capacity` records of each kind."""
        self.capacity = capacity
        self.tables = tuple(
            np.zeros(table.words_needed(words, capacity), dtype=np.int64) for words in ENTITIES.values()
        )
        for memory, words in zip(self.tables, ENTITIES.values(), strict=True):
            table.lay_out(memory, words, capacity, 0)
        self.recent = np.zeros(recent.words_needed(capacity), dtype=np.int64)
        recent.lay_out(self.recent, capacity, 0)
        self.held = np.zeros(held.words_needed(HELD_CORRECTIONS), dtype=np.int64)
        held.lay_out(self.held, HELD_CORRECTIONS, 0)
        self.counters = np.zeros(COUNTER_WORDS, dtype=np.int64)
        changes = room_for_changes(1)
        self.changes = (
            changes.keys,
            changes.known_us,
            changes.counted_us,
            changes.frauds,
            changes.outcomes,
        )

    @property
    def parts(self) -> tuple[Any, ...]:
        """What `kuntur.history.serving` takes: tables, recent, held, counters, undo, changes."""
        return (*self.tables, self.recent, self.held, self.counters, NO_UNDO, self.changes)

    def bring_in(self, kind: int, rows: Memory) -> None:
        """Puts records of a kind, by its place in `redis_scripts.KINDS`; rows: int64 [n, 1 + words]."""
        if kind == _TRANSACTIONS:
            recent.bring_in(self.recent, rows)
        else:
            table.bring_in(self.tables[kind], rows)

    def bring_in_held(self, words: Memory) -> None:
        """Puts held corrections, or only the header of their memory; none: there are none."""
        self.held[: len(words)] = words
        if not len(words):
            self.held[held.P_COUNT] = 0
            held.lay_out(self.held, HELD_CORRECTIONS, 0)

    def records(self, kind: int) -> Memory:
        """Returns the records of a kind, int64 [records, words], in the order in which they came."""
        if kind == _TRANSACTIONS:
            memory, used = self.recent, int(self.recent[recent.P_ADMITTED])
            start = recent.HEADER_WORDS + int(memory[recent.P_PLACES])
        else:
            memory = self.tables[kind]
            used, start = int(memory[table.P_USED]), int(table.record_start(memory, 0))
        words = RECORD_WORDS[kind]
        return memory[start : start + used * words].reshape(used, words)

    def held_words(self) -> Memory:
        """Returns the held corrections, as `bring_in_held` takes them."""
        return self.held[: held.words_needed(int(self.held[held.P_COUNT]))]

    def clear(self) -> None:
        """Makes the tables hold nothing."""
        for memory in self.tables:
            table.clear(memory)
        recent.clear(self.recent)
        self.bring_in_held(self.held[:0])
        self.counters[:] = 0
