"""Adds records to a table: in free room, in a larger table, or in place of the one idle for longest."""

from __future__ import annotations

import numpy as np

from kuntur.compiled.native import native
from kuntur.records.index_entry import entry_of, number_in
from kuntur.records.layout import W_KEY, W_LAST_TIME_US
from kuntur.records.seals import seal_header
from kuntur.records.table import (
    DAMAGED,
    HEADER_WORDS,
    P_BASE,
    P_CAPACITY,
    P_EVICTED,
    P_FIXED,
    P_HAND,
    P_INDEX,
    P_RECORD_WORDS,
    P_USED,
    SEALED_WORDS,
    Memory,
    allocate,
    is_closed,
    record_holds,
    record_start,
)
from kuntur.records.undo import keep, keep_word

LOOKED_AT = 128  # records among which the longest idle makes room


@native
def add(memory, key, undo):
    """Adds a record of a key that is not there, all zero but for the key; returns where it starts or DAMAGED.

    The caller makes sure that a table that grows has room (`reserve`). What is overwritten is kept in `undo`.
    """
    base = memory[P_BASE]
    keep(undo, memory, base, 0, SEALED_WORDS + 1)
    number = memory[P_USED]
    if memory[P_FIXED] != 0 and number >= memory[P_CAPACITY]:
        number = _make_room(memory, undo)
        if number < 0:
            return np.int64(DAMAGED)
    else:
        memory[P_USED] = number + 1
    seal_header(memory, SEALED_WORDS, undo)
    start = record_start(memory, number)
    keep(undo, memory, base, start, memory[P_RECORD_WORDS])
    memory[start : start + memory[P_RECORD_WORDS]] = 0
    memory[start + W_KEY] = np.int64(key)
    place = _free_place(memory, key)
    keep_word(undo, memory, base, place)
    memory[place] = entry_of(key, number)
    return start


@native
def _free_place(memory, key):
    mask = memory[P_INDEX] - 1
    place = np.int64(key & np.uint64(mask))
    for _ in range(mask + 1):
        if memory[HEADER_WORDS + place] == 0:
            break
        place = (place + 1) & mask
    return HEADER_WORDS + place


@native
def enter(memory, key, number):
    """Puts a record that is there into the index."""
    memory[_free_place(memory, key)] = entry_of(key, number)


@native
def _make_room(memory, undo):
    """Takes the longest idle of some records out of the index and returns its number, or DAMAGED.

    In a table of up to LOOKED_AT records that is the longest idle of all; in a larger one, of so many that
    lie evenly apart, each time others: an exact order would cost every transaction more than it is worth.
    Neighbours will not do, as records made at about the same time are idle for about as long.
    """
    used, number = memory[P_USED], memory[P_HAND]
    apart = max(used // LOOKED_AT, 1)
    victim, idle_since = number, memory[record_start(memory, number) + W_LAST_TIME_US]
    for _ in range(min(LOOKED_AT, used) - 1):
        number += apart
        if number >= used:
            number -= used
        last = memory[record_start(memory, number) + W_LAST_TIME_US]
        if last < idle_since:
            victim, idle_since = number, last
    if not record_holds(memory, record_start(memory, victim), undo):
        return np.int64(DAMAGED)
    memory[P_HAND] = memory[P_HAND] + 1 if memory[P_HAND] + 1 < used else 0
    memory[P_EVICTED] += 1
    _take_out(memory, victim, undo)
    return victim


@native
def _take_out(memory, number, undo):
    """Empties the place of a record and closes the gap behind it (Knuth, TAOCP 3, 6.4, algorithm R)."""
    mask, base = memory[P_INDEX] - 1, memory[P_BASE]
    gap = memory[record_start(memory, number) + W_KEY] & mask
    found = False
    for _ in range(mask + 1):  # from the key on, which leads there unless it is damaged
        if number_in(memory[HEADER_WORDS + gap]) == number:
            found = True
            break
        gap = (gap + 1) & mask
    if not found:
        return
    place = (gap + 1) & mask
    for _ in range(mask):
        entry = memory[HEADER_WORDS + place]
        if entry == 0:
            break
        other = number_in(entry)
        home = place  # a damaged entry stays where it is
        if 0 <= other < memory[P_CAPACITY]:
            home = memory[record_start(memory, other) + W_KEY] & mask
        if (place - home) & mask >= (place - gap) & mask:
            keep_word(undo, memory, base, HEADER_WORDS + gap)
            memory[HEADER_WORDS + gap] = entry
            gap = place
        place = (place + 1) & mask
    keep_word(undo, memory, base, HEADER_WORDS + gap)
    memory[HEADER_WORDS + gap] = 0


@native
def borrow_blank(memory):
    """Returns where the next free record starts: all zero, to be looked at as that of a key not yet there.

    A caller that writes to it hands it back with `return_blank`; there has to be room for it.
    """
    return_blank(memory)  # whatever became of it meanwhile
    return record_start(memory, memory[P_USED])


@native
def return_blank(memory):
    """Empties the next free record again."""
    start = record_start(memory, memory[P_USED])
    memory[start : start + memory[P_RECORD_WORDS]] = 0


def reserve(memory: Memory, additional: int) -> Memory:
    """Returns a table with room for `additional` new records: the same one, or one twice as large or more."""
    needed = int(memory[P_USED]) + additional
    if is_closed(memory) or needed <= memory[P_CAPACITY]:
        return memory
    larger = allocate(int(memory[P_RECORD_WORDS]), max(needed, 2 * int(memory[P_CAPACITY])))
    _reinsert(memory, larger)
    return larger


@native
def _reinsert(source, target):
    words = source[P_RECORD_WORDS]
    mask = target[P_INDEX] - 1
    used = source[P_USED]
    source_start = record_start(source, 0)
    target_start = record_start(target, 0)
    for word in range(used * words):
        target[target_start + word] = source[source_start + word]
    for number in range(used):
        key = np.uint64(source[source_start + number * words + W_KEY])
        place = np.int64(key & np.uint64(mask))
        while target[HEADER_WORDS + place] != 0:
            place = (place + 1) & mask
        target[HEADER_WORDS + place] = entry_of(key, number)
    target[P_USED] = used


@native
def bring_in(memory, rows):
    """Puts records into a table of fixed size that has room for them and none of their keys.

    rows: int64 [n, 1 + record words], each behind a word that is not looked at.
    """
    mask, words = memory[P_INDEX] - 1, memory[P_RECORD_WORDS]
    for row in range(len(rows)):
        number = memory[P_USED]
        memory[P_USED] = number + 1
        start = record_start(memory, number)
        for word in range(words):
            memory[start + word] = rows[row, 1 + word]
        key = np.uint64(memory[start + W_KEY])
        place = np.int64(key & np.uint64(mask))
        while memory[HEADER_WORDS + place] != 0:
            place = (place + 1) & mask
        memory[HEADER_WORDS + place] = entry_of(key, number)
