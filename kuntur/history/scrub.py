"""Checks a few records of a history that is in use, a little at a time.

Each record is checked against its seal, and the index for whether it leads to the record. So a flipped bit in
either is found even if no transaction comes for that entity.
"""

from __future__ import annotations

import numpy as np

from kuntur.compiled.native import native
from kuntur.history import recent
from kuntur.history.serving import C_BASE, C_CHECKS, COUNTER_WORDS, SEALED_COUNTERS
from kuntur.records import table
from kuntur.records.layout import W_KEY
from kuntur.records.seals import seal_header
from kuntur.records.undo import commit, keep


@native
def records_hold(memory, first, count, undo):
    """Tells whether so many records of a table are as they were sealed, and found by their keys."""
    for number in range(first, min(first + count, memory[table.P_USED])):
        start = table.record_start(memory, number)
        if not table.record_holds(memory, start, undo):
            return False
        if table.find(memory, np.uint64(memory[start + W_KEY]), undo) != start:
            return False
    return True


@native
def transactions_hold(memory, first, count, undo):
    """Tells the same of recent transactions."""
    used = min(memory[recent.P_ADMITTED], memory[recent.P_CAPACITY])
    for slot in range(first, min(first + count, used)):
        if not recent.record_holds(memory, recent.start_of(memory, slot), undo):
            return False
        if not recent.is_found(memory, slot, undo):
            return False
    return True


@native
def count_check(counters, undo):
    """Counts that all was looked through once more, as a step of its own."""
    keep(undo, counters, counters[C_BASE], 0, COUNTER_WORDS)
    counters[C_CHECKS] += 1
    seal_header(counters, SEALED_COUNTERS, undo)
    commit(undo)
