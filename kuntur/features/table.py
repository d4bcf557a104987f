"""Records of one kind of entity in one flat array, found by key.

The memory is a header, an index (open addressing, linear probing) and the records, all int64, so that
it can as well be a mapped file. The compiled functions here know nothing of what a record holds.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from kuntur.features.layout import W_KEY

HEADER_WORDS = 8
P_INDEX = 0  # places in the index, a power of two
P_CAPACITY = 1  # records that fit
P_USED = 2  # records in use
P_RECORD_WORDS = 3

Memory = npt.NDArray[np.int64]


def allocate(record_words: int, capacity: int) -> Memory:
    """Makes an empty table for at least `capacity` records of `record_words` words."""
    places = 1 << max(4, (2 * capacity - 1).bit_length())
    memory = np.zeros(HEADER_WORDS + places + (places // 2) * record_words, dtype=np.int64)
    memory[P_INDEX] = places
    memory[P_CAPACITY] = places // 2
    memory[P_RECORD_WORDS] = record_words
    return memory


def closed(record_words: int) -> Memory:
    """Makes a table that stays empty: entities of its kind are left out, as if they had no key."""
    memory = allocate(record_words, 1)[: HEADER_WORDS + 16].copy()
    memory[P_CAPACITY] = 0
    return memory


@njit(cache=True, nogil=False)
def is_closed(memory):
    """Tells whether a table was made to stay empty."""
    return memory[P_CAPACITY] == 0


@njit(cache=True, nogil=False)
def _tag(key):
    # The upper half of the key and the record's number share a word, so that a probe of a place that
    # belongs to another key seldom touches that key's record.
    return np.int64((key >> np.uint64(32)) << np.uint64(32))


@njit(cache=True, nogil=False)
def record_start(memory, number):
    """Gives where record `number` starts in the memory."""
    return HEADER_WORDS + memory[P_INDEX] + number * memory[P_RECORD_WORDS]


@njit(cache=True, nogil=False)
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


@njit(cache=True, nogil=False)
def find_or_add(memory, key):
    """Gives where the record of a key starts, and whether it is new (all zero but for its key).

    The caller sees to it that there is room (`reserve`).
    """
    mask = memory[P_INDEX] - 1
    place = np.int64(key & np.uint64(mask))
    tag = _tag(key)
    while True:
        entry = memory[HEADER_WORDS + place]
        if entry == 0:
            number = memory[P_USED]
            memory[P_USED] = number + 1
            memory[HEADER_WORDS + place] = tag | (number + 1)
            start = record_start(memory, number)
            memory[start + W_KEY] = np.int64(key)
            return start, True
        if (entry >> 32) << 32 == tag:
            start = record_start(memory, (entry & 0xFFFFFFFF) - 1)
            if memory[start + W_KEY] == np.int64(key):
                return start, False
        place = (place + 1) & mask


@njit(cache=True, nogil=False)
def borrow_blank(memory):
    """Gives where the next free record starts: all zero, to be looked at as that of a key not yet there.

    Whoever writes to it hands it back with `return_blank`. The caller sees to it that there is room.
    """
    return record_start(memory, memory[P_USED])


@njit(cache=True, nogil=False)
def return_blank(memory):
    """Empties the next free record again."""
    start = record_start(memory, memory[P_USED])
    memory[start : start + memory[P_RECORD_WORDS]] = 0


@njit(cache=True, nogil=False)
def _reinsert(source, target):
    words = source[P_RECORD_WORDS]
    mask = target[P_INDEX] - 1
    used = source[P_USED]
    source_start = record_start(source, 0)
    target_start = record_start(target, 0)
    target[target_start : target_start + used * words] = source[source_start : source_start + used * words]
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
