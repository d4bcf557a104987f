"""Records of one kind of entity in one flat array, found by key.

The memory is a header, an index (open addressing, linear probing) and the records, all int64, so that
it can as well be a mapped file. A table grows (`reserve`) or has a fixed size (`lay_out`): then a new record
takes the place of the one idle for longest. Of what a record holds only the key and the time of the latest
transaction are known here.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kuntur.features.layout import W_KEY, W_LAST_TIME_US
from kuntur.features.undo import keep
from kuntur.native import native

HEADER_WORDS = 8
P_INDEX = 0  # places in the index, a power of two
P_CAPACITY = 1  # records that fit
P_USED = 2  # records in use
P_RECORD_WORDS = 3
P_BASE = 4  # where the table stands in the whole memory, for what is kept to be put back
P_HAND = 5  # the record at which the next search for the longest idle begins
P_EVICTED = 6  # records that made room for others
P_FIXED = 7  # 1 if it never grows

LOOKED_AT = 128  # records among which the longest idle makes room

Memory = npt.NDArray[np.int64]


def allocate(record_words: int, capacity: int) -> Memory:
    """Makes an empty table for at least `capacity` records of `record_words` words."""
    places = 1 << max(4, (2 * capacity - 1).bit_length())
    memory = np.zeros(HEADER_WORDS + places + (places // 2) * record_words, dtype=np.int64)
    memory[P_INDEX] = places
    memory[P_CAPACITY] = places // 2
    memory[P_RECORD_WORDS] = record_words
    return memory


def words_needed(record_words: int, capacity: int) -> int:
    """Gives the length of a table of fixed size, in words."""
    # One record more than it holds, to be lent as a blank.
    return HEADER_WORDS + _places(capacity) + (capacity + 1) * record_words


def lay_out(memory: Memory, record_words: int, capacity: int, base: int) -> None:
    """Makes zeroed memory of `words_needed` an empty table of fixed size.

    base: where it stands in the whole memory.
    """
    memory[P_INDEX] = _places(capacity)
    memory[P_CAPACITY] = capacity
    memory[P_RECORD_WORDS] = record_words
    memory[P_BASE] = base
    memory[P_FIXED] = 1


def _places(capacity: int) -> int:
    # At most two thirds full: probes stay short, and an account's share of the index is 12 to 24 bytes.
    return 1 << max(4, (3 * capacity // 2).bit_length())


def closed(record_words: int) -> Memory:
    """Makes a table that stays empty: entities of its kind are left out, as if they had no key."""
    memory = allocate(record_words, 1)[: HEADER_WORDS + 16].copy()
    memory[P_CAPACITY] = 0
    return memory


@native
def is_closed(memory):
    """Tells whether a table was made to stay empty."""
    return memory[P_CAPACITY] == 0


@native
def _tag(key):
    # The upper half of the key and the record's number share a word, so that a probe of a place that
    # belongs to another key seldom touches that key's record.
    return np.int64((key >> np.uint64(32)) << np.uint64(32))


@native
def record_start(memory, number):
    """Gives where record `number` starts in the memory."""
    return HEADER_WORDS + memory[P_INDEX] + number * memory[P_RECORD_WORDS]


@native
def find(memory, key):
    """Gives where the record of a key starts in the memory, or -1."""
    mask = memory[P_INDEX] - 1
    place = np.int64(key & np.uint64(mask))
    tag = _tag(key)
    while True:
        entry = memory[HEADER_WORDS + place]
        if entry == 0:
            return np.int64(-1)
        if (entry >> 32) << 32 == tag:
            start = record_start(memory, (entry & 0xFFFFFFFF) - 1)
            if memory[start + W_KEY] == np.int64(key):
                return start
        place = (place + 1) & mask


@native
def find_probable(memory, key):
    """Gives where the record of a key most probably starts, or -1, without a look at any record."""
    mask = memory[P_INDEX] - 1
    place = np.int64(key & np.uint64(mask))
    tag = _tag(key)
    while True:
        entry = memory[HEADER_WORDS + place]
        if entry == 0:
            return np.int64(-1)
        if (entry >> 32) << 32 == tag:
            return record_start(memory, (entry & 0xFFFFFFFF) - 1)
        place = (place + 1) & mask


@native
def find_or_add(memory, key, undo):
    """Gives where the record of a key starts, and whether it is new (all zero but for its key).

    The caller sees to it that a table that grows has room (`reserve`). What is overwritten is kept in
    `undo`, of the record itself only if it is new.
    """
    start = find(memory, key)
    if start >= 0:
        return start, False
    return _add(memory, key, undo), True


@native
def _add(memory, key, undo):
    base = memory[P_BASE]
    keep(undo, memory, base, 0, HEADER_WORDS)
    number = memory[P_USED]
    if memory[P_FIXED] != 0 and number >= memory[P_CAPACITY]:
        number = _make_room(memory, undo)
    else:
        memory[P_USED] = number + 1
    start = record_start(memory, number)
    keep(undo, memory, base, start, memory[P_RECORD_WORDS])
    memory[start : start + memory[P_RECORD_WORDS]] = 0
    memory[start + W_KEY] = np.int64(key)
    mask = memory[P_INDEX] - 1
    place = np.int64(key & np.uint64(mask))
    while memory[HEADER_WORDS + place] != 0:
        place = (place + 1) & mask
    keep(undo, memory, base, HEADER_WORDS + place, 1)
    memory[HEADER_WORDS + place] = _tag(key) | (number + 1)
    return start


@native
def _make_room(memory, undo):
    """Takes the longest idle of some records out of the index and gives its number.

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
    memory[P_HAND] = memory[P_HAND] + 1 if memory[P_HAND] + 1 < used else 0
    memory[P_EVICTED] += 1
    _take_out(memory, victim, undo)
    return victim


@native
def _take_out(memory, number, undo):
    """Empties the place of a record and closes the gap behind it (Knuth, TAOCP 3, 6.4, algorithm R)."""
    mask, base = memory[P_INDEX] - 1, memory[P_BASE]
    gap = memory[record_start(memory, number) + W_KEY] & mask
    while memory[HEADER_WORDS + gap] & 0xFFFFFFFF != number + 1:
        gap = (gap + 1) & mask
    place = (gap + 1) & mask
    entry = memory[HEADER_WORDS + place]
    while entry != 0:
        home = memory[record_start(memory, (entry & 0xFFFFFFFF) - 1) + W_KEY] & mask
        if (place - home) & mask >= (place - gap) & mask:
            keep(undo, memory, base, HEADER_WORDS + gap, 1)
            memory[HEADER_WORDS + gap] = entry
            gap = place
        place = (place + 1) & mask
        entry = memory[HEADER_WORDS + place]
    keep(undo, memory, base, HEADER_WORDS + gap, 1)
    memory[HEADER_WORDS + gap] = 0


@native
def borrow_blank(memory):
    """Gives where the next free record starts: all zero, to be looked at as that of a key not yet there.

    Whoever writes to it hands it back with `return_blank`. The caller sees to it that there is room.
    """
    return record_start(memory, memory[P_USED])


@native
def return_blank(memory):
    """Empties the next free record again."""
    start = record_start(memory, memory[P_USED])
    memory[start : start + memory[P_RECORD_WORDS]] = 0


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
        target[HEADER_WORDS + place] = _tag(key) | (number + 1)
    target[P_USED] = used


def reserve(memory: Memory, additional: int) -> Memory:
    """Gives a table with room for `additional` new records: the same one, or one twice as large or more."""
    needed = int(memory[P_USED]) + additional
    if is_closed(memory) or needed <= memory[P_CAPACITY]:
        return memory
    larger = allocate(int(memory[P_RECORD_WORDS]), max(needed, 2 * int(memory[P_CAPACITY])))
    _reinsert(memory, larger)
    return larger


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
        memory[HEADER_WORDS + place] = _tag(key) | (number + 1)


@native
def clear(memory):
    """Makes a table hold nothing."""
    start = record_start(memory, 0)
    memory[start : start + memory[P_USED] * memory[P_RECORD_WORDS]] = 0
    memory[HEADER_WORDS:start] = 0
    memory[P_USED] = 0
