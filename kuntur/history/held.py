"""Outcomes that were taken back, held in flat memory until they may be seen.

What becomes known within an hour counts for transactions of later hours only. For an added outcome that
follows from the hour it is counted in; one that is taken back was counted in an earlier hour and has to wait.
The memory is a header, rows, a seal for each row and one for the header, all int64. When it is full, all held
changes are made at once. Seals are kept only in memory that is shared or a file.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kuntur.compiled.native import native
from kuntur.features.kernel import Change
from kuntur.records.layout import HOUR_S, MICROSECONDS
from kuntur.records.seals import seal_of
from kuntur.records.undo import keep, keep_word

HEADER_WORDS = 4
P_CAPACITY, P_BASE, P_COUNT, P_NEXT_HOUR = range(HEADER_WORDS)  # the last: the earliest known hour held
ROW_WORDS = 8
_KNOWN, _COUNTED, _FRAUDS, _OUTCOMES = 4, 5, 6, 7  # behind the four keys
_HOUR_US = HOUR_S * MICROSECONDS
_NEVER = np.iinfo(np.int64).max

Memory = npt.NDArray[np.int64]


def words_needed(capacity: int) -> int:
    """Returns the length of the header and so many changes, in words."""
    return HEADER_WORDS + capacity * ROW_WORDS


def sealed_words_needed(capacity: int) -> int:
    """Returns the length of the memory for so many changes with their seals, in words."""
    return words_needed(capacity) + capacity + 1


def lay_out(memory: Memory, capacity: int, base: int) -> None:
    """Makes zeroed memory of `words_needed` hold nothing; base: where it stands in the whole memory."""
    memory[P_CAPACITY] = capacity
    memory[P_BASE] = base
    memory[P_NEXT_HOUR] = _NEVER


def may_be(words: Memory, capacity: int) -> bool:
    """Tells whether words from elsewhere are nothing, a header, or a header and all of its rows.

    Compiled code goes by the count that they say.
    """
    if len(words) < HEADER_WORDS:
        return not len(words)
    count = int(words[P_COUNT])
    if words[P_CAPACITY] != capacity or not 0 <= count <= capacity:
        return False
    return len(words) in {HEADER_WORDS, words_needed(count)}


def count(words: Memory) -> int:
    """Returns how many changes are held."""
    return int(words[P_COUNT])


def is_whole(words: Memory) -> bool:
    """Tells whether words from elsewhere are all rows that their header counts, or nothing."""
    return not len(words) or len(words) == words_needed(count(words))


def entity_keys(words: Memory) -> npt.NDArray[np.uint64]:
    """Returns the keys of the entities that changes concern, uint64 [changes, 4], in the order of kinds."""
    return words[HEADER_WORDS:].reshape(-1, ROW_WORDS)[:, :_KNOWN].copy().view(np.uint64)


@native
def is_usable(held):
    """Tells whether the header of sealed memory is as it was written, and all it says within the memory."""
    capacity, length = held[P_CAPACITY], len(held)
    return (
        held[len(held) - 1] == seal_of(held, 0, HEADER_WORDS)
        and 0 < capacity < length
        and HEADER_WORDS + capacity * (ROW_WORDS + 1) < length
        and 0 <= held[P_COUNT] <= capacity
    )


@native
def seal_header(held, undo):
    """Seals the header in the last word: what follows the header is also what others send, without seals."""
    if len(undo) > 0:
        held[len(held) - 1] = seal_of(held, 0, HEADER_WORDS)


@native
def _seal_place(held, row):
    return HEADER_WORDS + held[P_CAPACITY] * ROW_WORDS + row


@native
def row_holds(held, row):
    """Tells whether a row of sealed memory is as it was written."""
    return held[_seal_place(held, row)] == seal_of(held, HEADER_WORDS + row * ROW_WORDS, ROW_WORDS)


@native
def rows_hold(held, undo):
    """Tells whether all rows are as they were written."""
    if len(undo) > 0:
        for row in range(held[P_COUNT]):
            if not row_holds(held, row):
                return False
    return True


@native
def write_seal(held, row):
    """Seals a row of which nothing has to be undone."""
    held[_seal_place(held, row)] = seal_of(held, HEADER_WORDS + row * ROW_WORDS, ROW_WORDS)


@native
def seal_row(held, row, undo):
    """Seals a row."""
    if len(undo) > 0:
        keep_word(undo, held, held[P_BASE], _seal_place(held, row))
        write_seal(held, row)


def earliest_hour(rows: Memory) -> int:
    """Returns the earliest hour in which one of some rows became known."""
    return int(rows[:, _KNOWN].min()) // _HOUR_US


@native
def is_due(held, hour):
    """Tells whether something held became known before an hour of event time."""
    return hour > held[P_NEXT_HOUR]


@native
def is_full(held):
    """Tells whether there is room for no more."""
    return held[P_COUNT] >= held[P_CAPACITY]


@native
def hold(held, undo, change, known_us):
    """Holds a change that became known at a time. The caller makes sure that there is room."""
    start = HEADER_WORDS + held[P_COUNT] * ROW_WORDS
    keep(undo, held, held[P_BASE], 0, HEADER_WORDS)
    keep_word(undo, held, held[P_BASE], len(held) - 1)
    held[start] = np.int64(change.account)
    held[start + 1] = np.int64(change.merchant)
    held[start + 2] = np.int64(change.device)
    held[start + 3] = np.int64(change.category)
    held[start + _KNOWN] = known_us
    held[start + _COUNTED] = change.counted_us
    held[start + _FRAUDS] = change.fraud
    held[start + _OUTCOMES] = change.outcome
    seal_row(held, held[P_COUNT], undo)
    held[P_NEXT_HOUR] = min(held[P_NEXT_HOUR], known_us // _HOUR_US)
    held[P_COUNT] += 1
    seal_header(held, undo)


@native
def take_due(held, undo, hour):
    """Takes one change out that became known before an hour.

    Returns whether there was one, and the change.
    """
    count, found, next_hour = held[P_COUNT], np.int64(-1), np.int64(_NEVER)
    for row in range(count):
        known = held[HEADER_WORDS + row * ROW_WORDS + _KNOWN] // _HOUR_US
        if known < hour and found < 0:
            found = np.int64(row)
        else:
            next_hour = min(next_hour, known)
    keep(undo, held, held[P_BASE], 0, HEADER_WORDS)
    keep_word(undo, held, held[P_BASE], len(held) - 1)
    held[P_NEXT_HOUR] = next_hour
    start = HEADER_WORDS + (found if found >= 0 else 0) * ROW_WORDS
    change = Change(
        np.uint64(held[start]),
        np.uint64(held[start + 1]),
        np.uint64(held[start + 2]),
        np.uint64(held[start + 3]),
        held[start + _COUNTED],
        held[start + _FRAUDS],
        held[start + _OUTCOMES],
    )
    if found < 0:
        seal_header(held, undo)
        return False, change
    last = HEADER_WORDS + (count - 1) * ROW_WORDS
    keep(undo, held, held[P_BASE], start, ROW_WORDS)
    for word in range(ROW_WORDS):
        held[start + word] = held[last + word]
    seal_row(held, found, undo)
    held[P_COUNT] = count - 1
    seal_header(held, undo)
    return True, change
