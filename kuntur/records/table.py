"""Records of one kind of entity in one flat array, found by key.

The memory is a header, an index (open addressing, linear probing) and the records, all int64, so that
it can as well be a mapped file. A table grows or has a fixed size (`lay_out`): then a new record takes the
place of the one idle for longest (`kuntur.records.adding`). Of what a record holds only the key and the time
of the latest transaction are known here.

In memory that is shared or a file, the header and each record end with a seal (`kuntur.records.seals`),
and each entry of the index has a check of its own. No number read there is followed before it was bounded:
header and length of the memory are compared by `is_usable` at the beginning of a batch, entries of the index
where they are read, and no walk through the index is longer than the index. A search that meets damage
returns DAMAGED, and its caller leaves the step to be undone.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kuntur.compiled.native import native
from kuntur.records.index_entry import entry_holds, number_in, tag_of
from kuntur.records.layout import W_KEY
from kuntur.records.seals import header_holds, seal_of
from kuntur.records.undo import keep

HEADER_WORDS = 16
SEALED_WORDS = 8  # of the header; their seal follows, the rest is not used
P_INDEX = 0  # places in the index, a power of two
P_CAPACITY = 1  # records that fit
P_USED = 2  # records in use
P_RECORD_WORDS = 3
P_BASE = 4  # where the table stands in the whole memory, for what is kept to be put back
P_HAND = 5  # the record at which the next search for the longest idle begins
P_EVICTED = 6  # records that made room for others
P_FIXED = 7  # 1 if it never grows

ABSENT, DAMAGED = -1, -2  # in place of where a record starts

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
    """Returns the length of a table of fixed size, in words; record_words: with the seal, if there is one."""
    # One record more than it holds, to be lent as a blank.
    return HEADER_WORDS + places(capacity) + (capacity + 1) * record_words


def lay_out(memory: Memory, record_words: int, capacity: int, base: int) -> None:
    """Makes zeroed memory of `words_needed` an empty table of fixed size.

    base: where it stands in the whole memory.
    """
    memory[P_INDEX] = places(capacity)
    memory[P_CAPACITY] = capacity
    memory[P_RECORD_WORDS] = record_words
    memory[P_BASE] = base
    memory[P_FIXED] = 1


def places(capacity: int) -> int:
    """Returns how many places the index of a table of fixed size has."""
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
def is_usable(memory, record_words):
    """Tells whether the header of a sealed table is as it was written, and all it says within the memory.

    record_words: without the seal.
    """
    places, capacity, used = memory[P_INDEX], memory[P_CAPACITY], memory[P_USED]
    length = len(memory)
    return (
        header_holds(memory, SEALED_WORDS)
        and memory[P_RECORD_WORDS] == record_words + 1
        and 0 < places < length
        and places & (places - 1) == 0
        and 0 < capacity < length
        and HEADER_WORDS + places + (capacity + 1) * (record_words + 1) <= length
        and 0 <= used <= capacity
        and 0 <= memory[P_HAND] <= capacity
        and memory[P_FIXED] == 1
    )


@native
def seal_record(memory, start, undo):
    """Seals a record after a change of it."""
    if len(undo) > 0:
        last = memory[P_RECORD_WORDS] - 1
        memory[start + last] = seal_of(memory, start, last)


@native
def record_holds(memory, start, undo):
    """Tells whether a record is as it was sealed."""
    if len(undo) == 0:
        return True
    last = memory[P_RECORD_WORDS] - 1
    return memory[start + last] == seal_of(memory, start, last)


@native
def keep_record(memory, start, undo):
    """Keeps a record that is about to change, and tells whether it is as it was sealed."""
    words = memory[P_RECORD_WORDS]
    seal = keep(undo, memory, memory[P_BASE], start, words)
    return len(undo) == 0 or memory[start + words - 1] == seal


@native
def empty_record(memory, start):
    """Makes a record that of an entity which was never met, of the same key."""
    key = memory[start + W_KEY]
    memory[start : start + memory[P_RECORD_WORDS]] = 0
    memory[start + W_KEY] = key


@native
def record_start(memory, number):
    """Returns where record `number` starts in the memory."""
    return HEADER_WORDS + memory[P_INDEX] + number * memory[P_RECORD_WORDS]


@native
def find(memory, key, undo):
    """Returns where the record of a key starts in the memory, ABSENT or DAMAGED."""
    mask = memory[P_INDEX] - 1
    place = np.int64(key & np.uint64(mask))
    tag = tag_of(key)
    sealed = len(undo) > 0
    for _ in range(mask + 1):
        entry = memory[HEADER_WORDS + place]
        if entry == 0:
            break
        if sealed and not entry_holds(entry):
            return np.int64(DAMAGED)
        if tag_of(entry) == tag:
            number = number_in(entry)
            if 0 <= number < memory[P_CAPACITY]:
                start = record_start(memory, number)
                if memory[start + W_KEY] == np.int64(key):
                    return start
                if not record_holds(memory, start, undo):  # the key itself may be what is damaged
                    return np.int64(DAMAGED)
        place = (place + 1) & mask
    return np.int64(ABSENT)


@native
def find_probable(memory, key):
    """Returns where the record of a key most probably starts, or ABSENT, without a look at any record."""
    mask = memory[P_INDEX] - 1
    place = np.int64(key & np.uint64(mask))
    tag = tag_of(key)
    for _ in range(mask + 1):
        entry = memory[HEADER_WORDS + place]
        if entry == 0:
            break
        if tag_of(entry) == tag:
            number = number_in(entry)
            return record_start(memory, number) if 0 <= number < memory[P_CAPACITY] else np.int64(ABSENT)
        place = (place + 1) & mask
    return np.int64(ABSENT)


@native
def clear(memory):
    """Makes a table hold nothing."""
    start = record_start(memory, 0)
    memory[start : start + memory[P_USED] * memory[P_RECORD_WORDS]] = 0
    memory[HEADER_WORDS:start] = 0
    memory[P_USED] = 0
