"""Outcomes taken back, held until they may be seen, in flat memory.

What becomes known within an hour counts for transactions of later hours only. An added outcome keeps to
that by the hour it is counted in; one that is taken back was counted in an earlier hour, and has to wait.
The memory is a header and rows, all int64; when it is full, what it holds waits no longer.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kuntur.features.kernel import ACCOUNT, CATEGORY, DEVICE, MERCHANT
from kuntur.features.layout import HOUR_S, MICROSECONDS
from kuntur.features.undo import keep
from kuntur.native import native

HEADER_WORDS = 4
P_CAPACITY, P_BASE, P_COUNT, P_NEXT_HOUR = range(HEADER_WORDS)  # the last: the earliest known hour held
_ROW_WORDS = 8
_KNOWN, _COUNTED, _FRAUDS, _OUTCOMES = 4, 5, 6, 7  # behind the four keys
_HOUR_US = HOUR_S * MICROSECONDS
_NEVER = np.iinfo(np.int64).max

Memory = npt.NDArray[np.int64]


def words_needed(capacity: int) -> int:
    """Gives the length of the memory for so many changes, in words."""
    return HEADER_WORDS + capacity * _ROW_WORDS


def lay_out(memory: Memory, capacity: int, base: int) -> None:
    """Makes zeroed memory of `words_needed` hold nothing; base: where it stands in the whole memory."""
    memory[P_CAPACITY] = capacity
    memory[P_BASE] = base
    memory[P_NEXT_HOUR] = _NEVER


@native
def is_due(held, hour):
    """Tells whether something held became known before an hour of event time."""
    return hour > held[P_NEXT_HOUR]


@native
def is_full(held):
    """Tells whether there is room for no more."""
    return held[P_COUNT] >= held[P_CAPACITY]


@native
def hold(held, undo, keys, known_us, counted_us, frauds, outcomes, i):
    """Holds change i, as `LabelChanges` has it. The caller sees to it that there is room."""
    start = HEADER_WORDS + held[P_COUNT] * _ROW_WORDS
    keep(undo, held, held[P_BASE], 0, HEADER_WORDS)
    held[start] = np.int64(keys[i, ACCOUNT])
    held[start + 1] = np.int64(keys[i, MERCHANT])
    held[start + 2] = np.int64(keys[i, DEVICE])
    held[start + 3] = np.int64(keys[i, CATEGORY])
    held[start + _KNOWN] = known_us[i]
    held[start + _COUNTED] = counted_us[i]
    held[start + _FRAUDS] = frauds[i]
    held[start + _OUTCOMES] = outcomes[i]
    held[P_NEXT_HOUR] = min(held[P_NEXT_HOUR], known_us[i] // _HOUR_US)
    held[P_COUNT] += 1


@native
def take_due(held, undo, hour, keys, counted_us, frauds, outcomes):
    """Takes one change that became known before an hour out, into row 0 of the arrays.

    Tells whether there was one.
    """
    count, found, next_hour = held[P_COUNT], np.int64(-1), np.int64(_NEVER)
    for row in range(count):
        known = held[HEADER_WORDS + row * _ROW_WORDS + _KNOWN] // _HOUR_US
        if known < hour and found < 0:
            found = np.int64(row)
        else:
            next_hour = min(next_hour, known)
    keep(undo, held, held[P_BASE], 0, HEADER_WORDS)
    held[P_NEXT_HOUR] = next_hour
    if found < 0:
        return False
    start, last = HEADER_WORDS + found * _ROW_WORDS, HEADER_WORDS + (count - 1) * _ROW_WORDS
    keys[0, ACCOUNT] = np.uint64(held[start])
    keys[0, MERCHANT] = np.uint64(held[start + 1])
    keys[0, DEVICE] = np.uint64(held[start + 2])
    keys[0, CATEGORY] = np.uint64(held[start + 3])
    counted_us[0] = held[start + _COUNTED]
    frauds[0] = held[start + _FRAUDS]
    outcomes[0] = held[start + _OUTCOMES]
    keep(undo, held, held[P_BASE], start, _ROW_WORDS)
    for word in range(_ROW_WORDS):
        held[start + word] = held[last + word]
    held[P_COUNT] = count - 1
    return True
