"""Records of one kind of entity in one flat array, found by key.

The memory is a header, an index (open addressing, linear probing) and the records, all int64, so that
it can as well be a mapped file. A table grows (`reserve`) or has a fixed size (`lay_out`): then a new record
takes the place of the one idle for longest. Of what a record holds only the key and the time of the latest
transaction are known here.

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
from kuntur.records.index_entry import entry_holds, entry_of, number_in, tag_of
from kuntur.records.layout import W_KEY, W_LAST_TIME_US
from kuntur.records.seals import header_holds, seal_header, seal_of
from kuntur.records.undo import keep, keep_word

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


def reserve(memory: Memory, additional: int) -> Memory:
    """Returns a table with room for `additional` new records: the same one, or one twice as large or more."""
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
        memory[HEADER_WORDS + place] = entry_of(key, number)


@native
def clear(memory):
    """Makes a table hold nothing."""
    start = record_start(memory, 0)
    memory[start : start + memory[P_USED] * memory[P_RECORD_WORDS]] = 0
    memory[HEADER_WORDS:start] = 0
    memory[P_USED] = 0
