"""Where the first answer to each recent transaction stands in the journal, and its features until then.

R_ANSWER of `kuntur.history.recent` is 0 for a transaction that nobody asked to score, such as one of a
backfill; minus a reference for one that is to be scored and has no answer yet; a reference once it has one. A
reference is the sequence of an entry of the journal and a place among the transactions of its requests: of
the admission, and of the answer. The first answer stays.

The features of the latest transactions stand in a circle of rows, so that one whose process died before the
answer left can be answered by another, with the features that it had.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kuntur.compiled.native import native
from kuntur.history import recent
from kuntur.history.recent import (
    DAMAGED,
    P_ADMITTED,
    P_BASE,
    P_CAPACITY,
    R_ANSWER,
    R_CONTENT,
    R_LABEL,
    R_TRANSACTION,
    leads_to,
    place_of,
    record_holds,
    seal_record,
    start_of,
)
from kuntur.records.undo import keep_word

_ALL_BITS = 2**64 - 1
PLACE_BITS = 20
MOST_PLACES = 1 << PLACE_BITS
OPEN_ROWS = 1 << 14
"""Transactions whose features are kept until they are answered: far more than are scored at any time."""
PLACE, SLOT = 0, 1
"""Columns of a trail, int64 [n, 2]: place of a transaction among those of its requests, and its slot among
the recent ones, -1 where it has to be looked up."""

Memory = npt.NDArray[np.int64]


class Reference(NamedTuple):
    """A transaction in the journal: sequence of the entry, and place among those of the entry's requests."""

    sequence: int
    place: int


class Known(NamedTuple):
    """What is known of a recent transaction.

    content: hash of its bytes, 0 where that is not known; admission: where its request stands, None unless it
    has no answer yet; answer: where its first answer stands, None while it has none.
    """

    content: int
    admission: Reference | None
    answer: Reference | None


@native
def reference(sequence, place):
    """Returns a reference as one number. A place may reach into later entries."""
    return (sequence << PLACE_BITS) + place


def known_at(memory: Memory, slot: int, key: int) -> Known:
    """Returns what is known of a transaction in a slot; nothing where it has given way to another since."""
    start = int(recent.start_of(memory, slot))
    if int(memory[start + R_TRANSACTION]) & _ALL_BITS != key:
        return Known(0, None, None)
    content, answer = int(memory[start + R_CONTENT]), int(memory[start + R_ANSWER])
    place = Reference(abs(answer) >> PLACE_BITS, abs(answer) & (MOST_PLACES - 1))
    return Known(content, place if answer < 0 else None, place if answer > 0 else None)


def open_row(memory: Memory, slot: int) -> int:
    """Returns the row that has the features of the transaction in a slot, -1 when it was overwritten."""
    newest = int(memory[P_ADMITTED]) - 1
    number = newest - (newest - slot) % int(memory[P_CAPACITY])
    return number % OPEN_ROWS if newest - number < OPEN_ROWS else -1


@native
def oldest_reference(memory):
    """Returns the smallest reference of all transactions, by the number alone; 2^63 - 1: there is none."""
    oldest = np.int64(np.iinfo(np.int64).max)
    for slot in range(min(memory[P_ADMITTED], memory[P_CAPACITY])):
        answer = abs(memory[start_of(memory, slot) + R_ANSWER])
        if answer != 0:
            oldest = min(oldest, answer)
    return oldest


@native
def forget_answers(memory, undo):
    """Forgets where answers stand: what held them is not there any more. Nobody else uses the memory."""
    for slot in range(min(memory[P_ADMITTED], memory[P_CAPACITY])):
        start = start_of(memory, slot)
        if memory[start + R_ANSWER] != 0 and record_holds(memory, start, undo):
            memory[start + R_ANSWER] = 0
            seal_record(memory, start, undo)


@native
def are_all_settled(memory, undo, keys, scored, trail):
    """Tells whether all transactions are known, and answered if they are to be scored. Writes their slots.

    keys: uint64 [n, KeyColumn]; scored: whether they are to be scored, not only counted.
    """
    for i in range(len(keys)):
        place = place_of(memory, keys[i, recent.TRANSACTION], undo)
        if place < 0 or memory[place] == 0:
            return False
        slot = leads_to(memory, place)
        if slot < 0 or (scored and memory[start_of(memory, slot) + R_ANSWER] <= 0):
            return False
        trail[i, SLOT] = slot
    return True


@native
def _start_of(memory, undo, key, slot):
    """Returns where the record of a transaction starts, -1 when it is forgotten or damaged."""
    if slot < 0:
        place = place_of(memory, key, undo)
        if place == DAMAGED or memory[place] == 0:
            return np.int64(-1)
        slot = leads_to(memory, place)
        if slot < 0:
            return np.int64(-1)
    start = start_of(memory, slot)
    if memory[start + R_TRANSACTION] != np.int64(key) or not record_holds(memory, start, undo):
        return np.int64(-1)
    return start


@native
def is_one_answered(memory, undo, keys, trail):
    """Tells whether one of some transactions has an answer; keys: uint64 [n, 1 or KeyColumn]."""
    for i in range(len(keys)):
        start = _start_of(memory, undo, keys[i, recent.TRANSACTION], trail[i, SLOT])
        if start >= 0 and memory[start + R_ANSWER] > 0:
            return True
    return False


@native
def remember(memory, undo, key, slot, answer):
    """Remembers where the answer to a transaction stands, unless there is an earlier one."""
    start = _start_of(memory, undo, key, slot)
    if start >= 0 and memory[start + R_ANSWER] <= 0:
        keep_word(undo, memory, memory[P_BASE], start + R_ANSWER)
        keep_word(undo, memory, memory[P_BASE], start + R_LABEL)
        memory[start + R_ANSWER] = answer
        seal_record(memory, start, undo)
