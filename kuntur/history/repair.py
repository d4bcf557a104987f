"""Checks a whole part of a history against its seals and mends it; nobody else may use it meanwhile.

What follows from other data is made anew: headers from the sizes, an index from the records. A record that
does not match its seal is taken out and handed back as bytes. A repair that is killed midway can simply be
started again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from kuntur.compiled.native import native
from kuntur.history import held, recent
from kuntur.records import adding, table
from kuntur.records.index_entry import entry_of
from kuntur.records.layout import W_KEY
from kuntur.records.seals import header_holds, seal_header, seal_of
from kuntur.records.undo import NO_UNDO

Memory = npt.NDArray[np.int64]
MOST_KEPT = 10_000
_SEALED = np.ones(1, dtype=np.int64)  # stands for an undo log that keeps: what is written here is sealed
_UNSEALED = NO_UNDO


@dataclass(frozen=True, slots=True)
class Repair:
    """What was wrong with a part: its header, its index, and how many records were taken out.

    records: the first of them that were not empty, at most MOST_KEPT, as they were found.
    """

    header: bool = False
    index: bool = False
    lost: int = 0
    records: list[bytes] = field(default_factory=list)

    def __bool__(self) -> bool:
        return self.header or self.index or self.lost > 0


def _taken_out(header: bool, index: bool, lost: Iterable[Memory]) -> Repair:
    count = 0
    records: list[bytes] = []
    for record in lost:
        count += 1
        if len(records) < MOST_KEPT and record.any():
            records.append(record.tobytes())
    return Repair(header, index, count, records)


def mend_table(memory: Memory, record_words: int, capacity: int, base: int, entries: int) -> Repair:
    """Mends a table; the arguments are those of `table.lay_out`.

    entries: how many words of its index are not 0, since to look for them in the mapping would take memory
    for all of it.
    """
    header = not table.is_usable(memory, record_words - 1)
    if header:
        table.lay_out(memory, record_words, capacity, base)
        memory[table.P_HAND] = memory[table.P_EVICTED] = 0
        memory[table.P_USED] = _last_in_use(memory, capacity)
    used = int(memory[table.P_USED])
    sound = np.empty(used, dtype=np.bool_)
    _look_at_records(memory, sound)
    damaged = np.flatnonzero(~sound)[::-1]  # from the end, so that the last record is never one of them
    repair = _taken_out(header, False, (_record(memory, number) for number in damaged.tolist()))
    for number in damaged.tolist():
        last = int(memory[table.P_USED]) - 1
        _record(memory, number)[:] = _record(memory, last)
        memory[table.P_USED] = last
        memory[table.P_HAND] = min(int(memory[table.P_HAND]), max(last - 1, 0))
        seal_header(memory, table.SEALED_WORDS, _SEALED)
    adding.return_blank(memory)
    seal_header(memory, table.SEALED_WORDS, _SEALED)
    if not repair.lost and entries == used and _index_leads_to_all(memory):
        return repair
    _make_index(memory)
    return replace(repair, index=not repair.lost)


def mend_recent(memory: Memory, capacity: int, base: int, entries: int) -> Repair:
    """Mends the recent transactions; the arguments are as for `mend_table`."""
    header = not recent.is_usable(memory)
    if header:
        recent.lay_out(memory, capacity, base)
        memory[recent.P_ADMITTED] = _admitted(_slots(memory))
    used = recent.known(memory)
    sound = np.empty(used, dtype=np.bool_)
    _look_at_transactions(memory, sound)
    slots = _slots(memory)
    repair = _taken_out(header, False, slots[:used][~sound])
    for slot in np.flatnonzero(~sound).tolist():
        slots[slot] = 0  # the circle goes on past it
        recent.seal_record(memory, int(recent.start_of(memory, slot)), _SEALED)
    seal_header(memory, recent.SEALED_WORDS, _SEALED)
    if not repair.lost and entries == _with_transaction(memory, used) and _slots_are_found(memory, used):
        return repair
    _make_slots_index(memory, used)
    return replace(repair, index=not repair.lost)


def mend_held(memory: Memory, capacity: int, base: int) -> Repair:
    """Mends the changes held back; the arguments are as for `mend_table`."""
    header = not held.is_usable(memory)
    if header:
        memory[held.P_CAPACITY], memory[held.P_BASE], memory[held.P_COUNT] = capacity, base, capacity
    count = int(memory[held.P_COUNT])
    rows = memory[held.HEADER_WORDS : held.words_needed(count)].reshape(count, held.ROW_WORDS)
    sound = np.array([bool(held.row_holds(memory, row)) for row in range(count)], dtype=np.bool_)
    # With the count gone, a row that was never written is no loss.
    repair = _taken_out(header, False, rows[:0] if header else rows[~sound])
    if repair:
        kept = rows[sound].copy()
        if header:
            _, first = np.unique(kept, axis=0, return_index=True)
            kept = kept[np.sort(first)]
        rows[:] = 0
        rows[: len(kept)] = kept
        memory[held.words_needed(capacity) : held.words_needed(capacity) + capacity] = 0
        for row in range(len(kept)):
            held.write_seal(memory, row)
        held.lay_out(memory, capacity, base)
        memory[held.P_COUNT] = len(kept)
        if len(kept):
            memory[held.P_NEXT_HOUR] = held.earliest_hour(kept)
        held.seal_header(memory, _SEALED)
    return repair


def mend_counters(counters: Memory, sealed_words: int) -> Repair:
    """Begins counters again that are not as they were sealed; the caller puts back where they stand."""
    if header_holds(counters, sealed_words):
        return Repair()
    counters[:] = 0
    return Repair(header=True)


def _record(memory: Memory, number: int) -> Memory:
    start = int(table.record_start(memory, number))
    return memory[start : start + int(memory[table.P_RECORD_WORDS])]


def _slots(memory: Memory) -> Memory:
    start = recent.HEADER_WORDS + int(memory[recent.P_PLACES])
    capacity = int(memory[recent.P_CAPACITY])
    return memory[start : start + capacity * recent.RECORD_WORDS].reshape(capacity, recent.RECORD_WORDS)


def _admitted(slots: Memory) -> int:
    """Returns a count of transactions with which the circle goes on in the place of the oldest."""
    unused = np.flatnonzero(~slots.any(axis=1))
    if len(unused):
        return int(unused[0]) if not slots[unused[0] :].any() else len(slots)
    return len(slots) + int(slots[:, recent.R_TIME].argmin())


@native
def _last_in_use(memory, capacity):
    words = memory[table.P_RECORD_WORDS]
    for number in range(capacity, 0, -1):
        start = table.record_start(memory, number - 1)
        for word in range(words):
            if memory[start + word] != 0:
                return number
    return 0


@native
def _look_at_records(memory, sound):
    last = memory[table.P_RECORD_WORDS] - 1
    for number in range(len(sound)):
        start = table.record_start(memory, number)
        sound[number] = memory[start + last] == seal_of(memory, start, last)


@native
def _index_leads_to_all(memory):
    for number in range(memory[table.P_USED]):
        start = table.record_start(memory, number)
        if table.find(memory, np.uint64(memory[start + W_KEY]), _SEALED) != start:
            return False
    return True


@native
def _make_index(memory):
    memory[table.HEADER_WORDS : table.record_start(memory, 0)] = 0
    for number in range(memory[table.P_USED]):
        key = np.uint64(memory[table.record_start(memory, number) + W_KEY])
        adding.enter(memory, key, number)


@native
def _look_at_transactions(memory, sound):
    for slot in range(len(sound)):
        start = recent.start_of(memory, slot)
        sound[slot] = recent.seal_holds(memory, start)


@native
def _with_transaction(memory, used):
    found = 0
    for slot in range(used):
        found += memory[recent.start_of(memory, slot)] != 0
    return found


@native
def _slots_are_found(memory, used):
    found = 0
    for slot in range(used):
        found += recent.is_found(memory, slot, _SEALED)
    return found == used


@native
def _make_slots_index(memory, used):
    memory[recent.HEADER_WORDS : recent.start_of(memory, 0)] = 0
    for slot in range(used):
        key = np.uint64(memory[recent.start_of(memory, slot)])
        if key != 0:
            memory[recent.place_of(memory, key, _UNSEALED)] = entry_of(key, slot)
