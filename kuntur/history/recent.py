"""The latest transactions by id: whether one was counted before, and which entities an outcome concerns.

A circular buffer of fixed size with an index; the oldest make room. Ids are kept as keyed hashes only. The
memory is a header, the index and the records, all int64. In memory that is shared or a file, the header and
each record are sealed, the record in what its label leaves of a word, and entries of the index are checked.

R_ANSWER tells where the journal has the first answer (`kuntur.history.answers`).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kuntur.compiled.inside.prefetch import prefetch_word
from kuntur.compiled.native import native
from kuntur.records.index_entry import entry_holds, entry_of, number_in, tag_of
from kuntur.records.seals import header_holds, seal_header, seal_of
from kuntur.records.undo import NO_UNDO, keep, keep_word
from kuntur.transaction import IntColumn, KeyColumn

R_TRANSACTION, R_ACCOUNT, R_MERCHANT, R_DEVICE, R_CATEGORY, R_TIME = range(6)
R_CONTENT, R_ANSWER, R_LABEL, R_REPORTED = range(6, 10)
RECORD_WORDS = 10
HEADER_WORDS = 8
SEALED_WORDS = 4  # of the header; their seal follows
P_PLACES, P_CAPACITY, P_BASE, P_ADMITTED = range(SEALED_WORDS)  # the last: how many were ever admitted
DAMAGED = -2
TIME, COUNTED = int(IntColumn.EVENT_TIME_US), int(IntColumn.COUNTED)
CONTENT = int(IntColumn.CONTENT)
TRANSACTION, ACCOUNT, MERCHANT = int(KeyColumn.TRANSACTION), int(KeyColumn.ACCOUNT), int(KeyColumn.MERCHANT)
DEVICE, CATEGORY = int(KeyColumn.DEVICE), int(KeyColumn.CATEGORY)
NO_LABEL = 0
LABEL_BITS = np.int64(3)  # of the word of the label; the others are the seal
_ODD = np.int64(0x2545F4914F6CDD1D)

Memory = npt.NDArray[np.int64]


def words_needed(capacity: int) -> int:
    """Returns the length of a table of so many transactions, in words: 80 bytes each, 16 to 32 of index."""
    return HEADER_WORDS + places(capacity) + capacity * RECORD_WORDS


def lay_out(memory: Memory, capacity: int, base: int) -> None:
    """Makes zeroed memory of `words_needed` an empty table; base: where it stands in the whole memory."""
    memory[P_PLACES] = places(capacity)
    memory[P_CAPACITY] = capacity
    memory[P_BASE] = base


def known(memory: Memory) -> int:
    """Returns how many transactions are remembered."""
    return min(int(memory[P_ADMITTED]), int(memory[P_CAPACITY]))


def entity_keys(records: Memory) -> npt.NDArray[np.uint64]:
    """Returns the keys of the entities of records, uint64 [n, 4], in the order of kinds."""
    return records[:, R_ACCOUNT : R_CATEGORY + 1].copy().view(np.uint64)


def are_labelled(records: Memory) -> bool:
    """Tells whether an outcome of one of some records is known."""
    return bool((records[:, R_LABEL] != 0).any())


def places(capacity: int) -> int:
    """Returns how many places the index of a table of fixed size has."""
    return 1 << max(4, (2 * capacity - 1).bit_length())


@native
def start_of(memory, slot):
    """Returns where a slot starts in the memory."""
    return HEADER_WORDS + memory[P_PLACES] + slot * RECORD_WORDS


@native
def is_usable(memory):
    """Tells whether the header of sealed memory is as it was written, and all it says within the memory."""
    places, capacity, length = memory[P_PLACES], memory[P_CAPACITY], len(memory)
    return (
        header_holds(memory, SEALED_WORDS)
        and 0 < places < length
        and places & (places - 1) == 0
        and 0 < capacity < length
        and HEADER_WORDS + places + capacity * RECORD_WORDS <= length
        and memory[P_ADMITTED] >= 0
    )


@native
def _seal(memory, start):
    label = memory[start + R_LABEL] & LABEL_BITS
    seal = seal_of(memory, start, R_LABEL) ^ ((label + 1) * _ODD)
    return (seal + memory[start + R_REPORTED] * _ODD) & ~LABEL_BITS


@native
def seal_record(memory, start, undo):
    """Seals a record after a change of it."""
    if len(undo) > 0:
        memory[start + R_LABEL] = (memory[start + R_LABEL] & LABEL_BITS) | _seal(memory, start)


@native
def record_holds(memory, start, undo):
    """Tells whether a record is as it was sealed."""
    return len(undo) == 0 or seal_holds(memory, start)


@native
def seal_holds(memory, start):
    """Tells whether a record of sealed memory is as it was sealed."""
    return memory[start + R_LABEL] & ~LABEL_BITS == _seal(memory, start)


@native
def prefetch_admission(memory, keys, row):
    """Fetches what `admit` needs for a transaction that comes soon."""
    if row < len(keys):
        prefetch_word(memory, HEADER_WORDS + (np.int64(keys[row, TRANSACTION]) & (memory[P_PLACES] - 1)))


@native
def place_of(memory, key, undo):
    """Returns where the index has the slot of a key, the empty place where it would have it, or DAMAGED."""
    mask = memory[P_PLACES] - 1
    place = np.int64(key) & mask
    tag = tag_of(key)
    sealed = len(undo) > 0
    for _ in range(mask + 1):
        entry = memory[HEADER_WORDS + place]
        if entry == 0:
            break
        if sealed and not entry_holds(entry):
            return np.int64(DAMAGED)
        slot = number_in(entry)
        if tag_of(entry) == tag and 0 <= slot < memory[P_CAPACITY]:
            start = start_of(memory, slot)
            if memory[start + R_TRANSACTION] == np.int64(key):
                break
            if not record_holds(memory, start, undo):  # the key itself may be what is damaged
                return np.int64(DAMAGED)
        place = (place + 1) & mask
    return HEADER_WORDS + place


@native
def leads_to(memory, place):
    """Returns the slot that a place of the index leads to, or -1."""
    slot = number_in(memory[place])
    return slot if 0 <= slot < memory[P_CAPACITY] else np.int64(-1)


@native
def is_found(memory, slot, undo):
    """Tells whether the index leads to a transaction by its key; to one that was taken out it need not."""
    key = np.uint64(memory[start_of(memory, slot) + R_TRANSACTION])
    if key == 0:
        return True
    place = place_of(memory, key, undo)
    return place >= 0 and leads_to(memory, place) == slot


@native
def _put(memory, undo, at, value):
    keep_word(undo, memory, memory[P_BASE], at)
    memory[at] = value


@native
def _forget(memory, undo, place):
    """Empties a place of the index and closes the gap behind it (Knuth, TAOCP 3, 6.4, algorithm R)."""
    mask = memory[P_PLACES] - 1
    gap = place - HEADER_WORDS
    if memory[HEADER_WORDS + gap] == 0:  # of a record that was taken out, as it was damaged
        return
    place = (gap + 1) & mask
    for _ in range(mask):
        entry = memory[HEADER_WORDS + place]
        if entry == 0:
            break
        home = place  # a damaged entry stays where it is
        slot = number_in(entry)
        if 0 <= slot < memory[P_CAPACITY]:
            home = memory[start_of(memory, slot) + R_TRANSACTION] & mask
        if (place - home) & mask >= (place - gap) & mask:
            _put(memory, undo, HEADER_WORDS + gap, entry)
            gap = place
        place = (place + 1) & mask
    _put(memory, undo, HEADER_WORDS + gap, 0)


@native
def admit(memory, undo, keys, ints, i, answer):
    """Remembers transaction i if it is new, else sets its COUNTED to 0.

    keys: uint64 [n, KeyColumn]; ints: int64 [n, IntColumn]; answer: what to remember as R_ANSWER. Returns
    whether it was known, 1 or 0, and its slot; DAMAGED and 0 when that cannot be told.
    """
    key = keys[i, TRANSACTION]
    place = place_of(memory, key, undo)
    if place < 0:
        return DAMAGED, np.int64(0)
    if memory[place] != 0:
        ints[i, COUNTED] = 0
        return 1, leads_to(memory, place)
    admitted, capacity = memory[P_ADMITTED], memory[P_CAPACITY]
    slot = admitted % capacity
    start = start_of(memory, slot)
    keep(undo, memory, memory[P_BASE], start, RECORD_WORDS)
    if admitted >= capacity:
        if not record_holds(memory, start, undo):
            return DAMAGED, np.int64(0)
        oldest = place_of(memory, np.uint64(memory[start + R_TRANSACTION]), undo)
        if oldest < 0:
            return DAMAGED, np.int64(0)
        _forget(memory, undo, oldest)
        place = place_of(memory, key, undo)
        if place < 0:
            return DAMAGED, np.int64(0)
    keep(undo, memory, memory[P_BASE], P_ADMITTED, 2)  # and the seal behind it
    memory[P_ADMITTED] = admitted + 1
    seal_header(memory, SEALED_WORDS, undo)
    _put(memory, undo, place, entry_of(key, slot))
    memory[start + R_TRANSACTION] = np.int64(key)
    memory[start + R_ACCOUNT] = np.int64(keys[i, ACCOUNT])
    memory[start + R_MERCHANT] = np.int64(keys[i, MERCHANT])
    memory[start + R_DEVICE] = np.int64(keys[i, DEVICE])
    memory[start + R_CATEGORY] = np.int64(keys[i, CATEGORY])
    memory[start + R_TIME] = ints[i, TIME]
    memory[start + R_CONTENT] = ints[i, CONTENT]
    memory[start + R_ANSWER] = answer
    memory[start + R_LABEL] = NO_LABEL
    memory[start + R_REPORTED] = 0
    seal_record(memory, start, undo)
    return 0, slot


@native
def bring_in(memory, rows):
    """Puts transactions into a table that has room for them and none of their keys.

    rows: int64 [n, 1 + record words], each behind a word that is not looked at.
    """
    for row in range(len(rows)):
        slot = memory[P_ADMITTED]
        memory[P_ADMITTED] = slot + 1
        start = start_of(memory, slot)
        key = np.uint64(rows[row, 1 + R_TRANSACTION])
        memory[place_of(memory, key, NO_UNDO)] = entry_of(key, slot)
        for word in range(RECORD_WORDS):
            memory[start + word] = rows[row, 1 + word]


@native
def clear(memory):
    """Makes a table hold nothing."""
    memory[HEADER_WORDS : HEADER_WORDS + memory[P_PLACES]] = 0
    memory[P_ADMITTED] = 0
