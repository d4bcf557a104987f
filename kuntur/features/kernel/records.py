"""Finds, makes and fetches ahead the records of a transaction's entities, compiled."""

from __future__ import annotations

from kuntur.compiled.native import native, native_inline
from kuntur.features.kernel.views import ACCOUNT, C_DAMAGED, CATEGORY, DEVICE, MERCHANT
from kuntur.records.adding import add, borrow_blank
from kuntur.records.prefetch import prefetch_place, prefetch_record
from kuntur.records.table import (
    ABSENT,
    DAMAGED,
    empty_record,
    find,
    keep_record,
    record_holds,
    seal_record,
)

_AHEAD = 4  # rows; measured with 10,000 and 100,000 accounts


@native
def record_of(words, key, counted, counters, undo):
    """Returns where the record of a key starts, and whether it is new; a blank one if it must not be added.

    A record that is about to change is kept in `undo`. A damaged one is counted, and its entity starts
    afresh: a wrong history is worse than none. Returns DAMAGED when the index does not lead to the record:
    the caller then leaves the step as it is, to be undone.
    """
    start = find(words, key, undo)
    if start == DAMAGED:
        return start, False
    if start == ABSENT:
        return (add(words, key, undo) if counted else borrow_blank(words)), True
    if counted:
        if keep_record(words, start, undo):
            return start, False
        counters[C_DAMAGED] += 1
        empty_record(words, start)
        return start, True
    if record_holds(words, start, undo):
        return start, False
    counters[C_DAMAGED] += 1
    return borrow_blank(words), True


@native
def seal_if_there(words, start, undo):
    """Seals a record, if there is one that changed."""
    if start >= 0:
        seal_record(words, start, undo)


@native_inline
def _prefetch_places(keys, row, entities):
    prefetch_place(entities.accounts.words, keys[row, ACCOUNT])
    prefetch_place(entities.merchants.words, keys[row, MERCHANT])
    prefetch_place(entities.devices.words, keys[row, DEVICE])
    prefetch_place(entities.categories.words, keys[row, CATEGORY])


@native_inline
def _prefetch_records(keys, row, entities):
    prefetch_record(entities.accounts.words, keys[row, ACCOUNT])
    prefetch_record(entities.merchants.words, keys[row, MERCHANT])
    prefetch_record(entities.devices.words, keys[row, DEVICE])
    prefetch_record(entities.categories.words, keys[row, CATEGORY])


@native_inline
def prefetch(keys, i, entities):
    """Fetches ahead what transactions soon after row i need."""
    if i == 0:  # nothing was fetched ahead for the first rows
        for row in range(min(2 * _AHEAD, len(keys))):
            _prefetch_places(keys, row, entities)
        for row in range(min(_AHEAD, len(keys))):
            _prefetch_records(keys, row, entities)
    if i + 2 * _AHEAD < len(keys):
        _prefetch_places(keys, i + 2 * _AHEAD, entities)
    if i + _AHEAD < len(keys):
        _prefetch_records(keys, i + _AHEAD, entities)
