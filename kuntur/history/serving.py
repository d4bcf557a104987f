"""The compiled loops of a history that is served: each transaction and each outcome whole or not at all.

A step is one transaction (remembered by id, its features, its entry), one outcome (the label remembered, its
changes made or held) or some answers. What a step overwrites is in the undo log until the step is whole, so a
history whose process died in the middle of a step is put back with `kuntur.records.undo.roll_back`. A step
that meets damage which it cannot pass is left unfinished too, to be put back, mended and begun again.

What enters together is one entry of a journal. The counters say how many entries the history contains, and
how many rows of the next one, so that whoever takes over knows where to go on. `journal` is a word that the
processes of a server share: the sequence of the next entry, which was written behind the last one and becomes
an entry when that word is counted up. It is empty where there is no journal, or an entry is taken again.

Python calls these through `kuntur.history.memory` alone. They take arrays and no tuples:
`kuntur.features.kernel.views` says what these cost.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from kuntur.compiled.inside.order import in_order
from kuntur.compiled.native import native
from kuntur.features.kernel import (
    EVENT_TIME,
    Entities,
    Transactions,
    entities_of,
    prefetch,
    process_one,
    report_one,
)
from kuntur.history import held as holding
from kuntur.history import recent as remembering
from kuntur.history.answers import (
    OPEN_ROWS,
    PLACE,
    SLOT,
    are_all_settled,
    is_one_answered,
    reference,
    remember,
)
from kuntur.history.held import hold, is_due, is_full, rows_hold, take_due
from kuntur.history.outcomes import APPLIED, CORRECTED, added, resolve, taken_back
from kuntur.history.recent import admit, prefetch_admission
from kuntur.records import table
from kuntur.records.layout import ACCOUNT_RECORD_WORDS, HOUR_S, MICROSECONDS, PROFILE_RECORD_WORDS
from kuntur.records.seals import header_holds, seal_header
from kuntur.records.undo import commit, keep

# The parts of `counters`: those of the kernel, then transactions that came again, then where the counters
# stand in the whole memory; C_DAMAGED of the kernel; how often all was looked through; the sequence of the
# last entry of the journal that is contained, and how many rows of the next one; which journal; their seal.
C_REPEATED, C_BASE, C_CHECKS, C_SEQUENCE, C_ROWS, C_JOURNAL = 3, 4, 6, 7, 8, 9
COUNTER_WORDS = 16
SEALED_COUNTERS = COUNTER_WORDS - 1
_HOUR_US = HOUR_S * MICROSECONDS
_FARTHEST_HOUR = 2**62
_AHEAD = 8  # transactions; their ids lie anywhere in the index
_ANSWERS_A_STEP = 1024  # as many as the undo log has room for, eight times over
# What is returned when nothing was done: all transactions are known and answered, one of those to be answered
# has an answer, or the journal has entries that the history lacks.
SETTLED, ANSWERED, BEHIND = -(1 << 40), -(1 << 41), -(1 << 42)


class _History(NamedTuple):
    """A history's parts, as `kuntur.history.memory.HistoryMemory` has them."""

    entities: Entities
    recent: Any
    held: Any


@native
def are_usable(accounts, merchants, devices, categories, recent, held, counters, undo):
    """Tells whether all headers are as they were sealed: what they say may be followed.

    Memory that dies with its process is not looked at.
    """
    return len(undo) == 0 or (
        table.is_usable(accounts, ACCOUNT_RECORD_WORDS)
        and table.is_usable(merchants, PROFILE_RECORD_WORDS)
        and table.is_usable(devices, PROFILE_RECORD_WORDS)
        and table.is_usable(categories, PROFILE_RECORD_WORDS)
        and remembering.is_usable(recent)
        and holding.is_usable(held)
        and header_holds(counters, SEALED_COUNTERS)
    )


@native
def _keep_counters(entities):
    keep(entities.undo, entities.counters, entities.counters[C_BASE], 0, COUNTER_WORDS)


@native
def _end_step(entities):
    seal_header(entities.counters, SEALED_COUNTERS, entities.undo)
    commit(entities.undo)


@native
def _is_behind(counters, journal):
    return len(journal) > 0 and journal[0] != counters[C_SEQUENCE] + 1


@native
def _write_down(journal):
    """Makes an entry of what was written behind the last one."""
    if len(journal) > 0:
        in_order()
        journal[0] += 1
        in_order()


@native
def _sequence(counters, given):
    if given < 0:
        return np.int64(0)
    return counters[C_SEQUENCE] + 1 if given == 0 else np.int64(given)


@native
def note_contained(counters, undo, journal, sequence):
    """Notes of which journal the history is, and the last entry that it contains of it, as one step."""
    keep(undo, counters, counters[C_BASE], 0, COUNTER_WORDS)
    counters[C_JOURNAL] = journal
    counters[C_SEQUENCE] = sequence
    counters[C_ROWS] = 0
    seal_header(counters, SEALED_COUNTERS, undo)
    commit(undo)


@native
def _count_rows(counters, rows, entries):
    """Counts rows of the next entry; entries: how many are contained with them, -1 where it goes on."""
    counters[C_ROWS] += rows
    if entries >= 0:
        counters[C_ROWS] = 0
        counters[C_SEQUENCE] += entries


@native
def _copy(source, target):
    for column in range(len(source)):
        target[column] = source[column]


@native
def _release(history, hour):
    """Makes every held change that became known before an hour, each a step of its own.

    Returns False when it met damage.
    """
    entities, _, held = history
    if not rows_hold(held, entities.undo):
        return False
    found, change = take_due(held, entities.undo, hour)
    while found:
        _keep_counters(entities)
        if not report_one(change, entities):
            return False
        _end_step(entities)
        found, change = take_due(held, entities.undo, hour)
    commit(entities.undo)
    return True


@native
def take_transactions(
    keys, ints, floats, offsets, accounts, merchants, devices, categories, recent, held, counters, undo,
    open_rows, out, trail, scored, sequence, entries, journal,
):  # fmt: skip
    """Counts transactions in order and writes the features of each, one at least.

    Returns how many were known before. When it meets damage that is to be mended first, a number below 0, of
    which -1 - number is how many were counted; the step after these has to be undone. SETTLED or BEHIND when
    nothing was done.

    keys, ints, floats, offsets: as for `kernel.process`; COUNTED of those known before becomes 0;
    accounts … open_rows: parts of the history; out: float32 [n, ≥ catalogue]; trail: of
    `kuntur.history.answers`, whose slots are written; scored: whether they will be answered with a score;
    sequence: of their entry, 0 for the next, -1 where places are whole references; entries: how many the
    history contains with them.
    """
    if not are_usable(accounts, merchants, devices, categories, recent, held, counters, undo):
        return -1
    if len(journal) > 0:
        if _is_behind(counters, journal):
            return BEHIND
        if are_all_settled(recent, undo, keys, scored, trail):
            keep(undo, counters, counters[C_BASE], 0, COUNTER_WORDS)
            counters[C_REPEATED] += len(keys)
            seal_header(counters, SEALED_COUNTERS, undo)
            commit(undo)
            return SETTLED
        _write_down(journal)
    answer = np.int64(0)
    sequence = _sequence(counters, sequence)
    repeated = 0
    transactions = Transactions(keys, ints, floats)
    entities = entities_of(accounts, merchants, devices, categories, counters, undo)
    history = _History(entities, recent, held)
    for i in range(len(ints)):
        prefetch(keys, i, entities)
        prefetch_admission(recent, keys, i + _AHEAD)
        hour = ints[i, EVENT_TIME] // _HOUR_US
        if is_due(held, hour) and not _release(history, hour):
            return -1 - i
        _keep_counters(entities)
        if scored:
            answer = -reference(sequence, trail[i, PLACE])
        known, trail[i, SLOT] = admit(recent, undo, keys, ints, i, answer)
        if known < 0:
            return -1 - i
        counters[C_REPEATED] += known
        repeated += known
        if not process_one(transactions, offsets, i, entities, out):
            return -1 - i
        if scored and not known and len(open_rows) > 0:
            _copy(out[i], open_rows[(recent[remembering.P_ADMITTED] - 1) & (OPEN_ROWS - 1)])
        _count_rows(counters, 1, entries if i == len(ints) - 1 else -1)
        _end_step(entities)
    return repeated


@native
def take_answers(keys, trail, recent, counters, undo, sequence, entries, journal):
    """Remembers that transactions were answered, with the entry that comes next.

    Returns 0; ANSWERED or BEHIND when nothing was done; -1 when the headers are damaged. In a journal's entry
    that is taken again, those that have an answer keep it.

    keys: uint64 [n, 1 or KeyColumn]; trail: of `kuntur.history.answers`; recent … undo: parts of the
    history; sequence, entries: as for `take_transactions`.
    """
    if len(undo) > 0 and not (remembering.is_usable(recent) and header_holds(counters, SEALED_COUNTERS)):
        return -1
    if len(journal) > 0:
        if _is_behind(counters, journal):
            return BEHIND
        if is_one_answered(recent, undo, keys, trail):
            return ANSWERED
        _write_down(journal)
    sequence = _sequence(counters, sequence)
    first, count = 0, len(keys)
    while True:
        end = min(first + _ANSWERS_A_STEP, count)
        keep(undo, counters, counters[C_BASE], 0, COUNTER_WORDS)
        for i in range(first, end):
            answer = reference(sequence, trail[i, PLACE])
            remember(recent, undo, keys[i, remembering.TRANSACTION], trail[i, SLOT], answer)
        _count_rows(counters, end - first, entries if end == count else -1)
        seal_header(counters, SEALED_COUNTERS, undo)
        commit(undo)
        first = end
        if first == count:
            return 0


@native
def take_outcomes(
    ids, times_us, is_fraud, statuses, accounts, merchants, devices, categories, recent, held, counters, undo,
    entries, journal,
):  # fmt: skip
    """Lets outcomes enter the history in order, and writes an `OutcomeStatus` each.

    Returns 0, or a number below 0 as `take_transactions` does.

    ids: uint64 [n], keys of transactions; times_us: int64 [n], of the reports; is_fraud: bool [n]; statuses:
    int8 [n]; the rest as for `take_transactions`.
    """
    if not are_usable(accounts, merchants, devices, categories, recent, held, counters, undo):
        return -1
    if _is_behind(counters, journal):
        return BEHIND
    _write_down(journal)
    entities = entities_of(accounts, merchants, devices, categories, counters, undo)
    history = _History(entities, recent, held)
    for i in range(len(ids)):
        if is_full(held) and not _release(history, _FARTHEST_HOUR):
            return -1 - i
        _keep_counters(entities)
        found = resolve(recent, undo, ids[i], times_us[i], is_fraud[i])
        if found.status < 0:
            return -1 - i
        statuses[i] = found.status
        if found.status == CORRECTED:
            hold(held, undo, taken_back(found), times_us[i])
        if found.status in (APPLIED, CORRECTED) and not report_one(
            added(found, times_us[i], is_fraud[i]), entities
        ):
            return -1 - i
        _count_rows(counters, 1, entries if i == len(ids) - 1 else -1)
        _end_step(entities)
    return 0
