"""The compiled loops of a history that is served: each transaction and each outcome whole or not at all.

A step is one transaction (remembered by id, its features, its entry) or one outcome (the label remembered,
its changes made or held). What a step overwrites is in the undo log until the step is whole, so a history
whose process died in the middle of a step is put back with `kuntur.records.undo.roll_back`. A step that meets
damage which it cannot pass is left unfinished too, to be put back, mended and begun again.

Python calls these through `kuntur.history.memory` alone. They take arrays and no tuples:
`kuntur.features.kernel.views` says what these cost.
"""

from __future__ import annotations

from typing import Any, NamedTuple

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
from kuntur.history.held import hold, is_due, is_full, rows_hold, take_due
from kuntur.history.outcomes import APPLIED, CORRECTED, added, resolve, taken_back
from kuntur.history.recent import admit, prefetch_admission
from kuntur.records import table
from kuntur.records.layout import ACCOUNT_RECORD_WORDS, HOUR_S, MICROSECONDS, PROFILE_RECORD_WORDS
from kuntur.records.seals import header_holds, seal_header
from kuntur.records.undo import commit, keep

# The parts of `counters`: those of the kernel, then transactions that came again, then where the
# counters stand in the whole memory; C_DAMAGED of the kernel; how often all was looked through; their seal.
C_REPEATED, C_BASE, C_CHECKS = 3, 4, 6
COUNTER_WORDS = 8
SEALED_COUNTERS = COUNTER_WORDS - 1
_HOUR_US = HOUR_S * MICROSECONDS
_FARTHEST_HOUR = 2**62
_AHEAD = 8  # transactions; their ids lie anywhere in the index


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
    keys, ints, floats, offsets, accounts, merchants, devices, categories, recent, held, counters, undo, out
):
    """Counts transactions in order and writes the features of each.

    Returns how many were known before. When it meets damage that is to be mended first, a number below 0, of
    which -1 - number is how many were counted; the step after these has to be undone.

    keys, ints, floats, offsets: as for `kernel.process`; COUNTED of those known before becomes 0;
    accounts … undo: parts of the history; out: float32 [n, ≥ catalogue].
    """
    if not are_usable(accounts, merchants, devices, categories, recent, held, counters, undo):
        return -1
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
        known = admit(recent, undo, keys, ints, i)
        if known < 0:
            return -1 - i
        counters[C_REPEATED] += known
        repeated += known
        if not process_one(transactions, offsets, i, entities, out):
            return -1 - i
        _end_step(entities)
    return repeated


@native
def take_outcomes(
    ids, times_us, is_fraud, statuses, accounts, merchants, devices, categories, recent, held, counters, undo
):
    """Lets outcomes enter the history in order, and writes an `OutcomeStatus` each.

    Returns 0, or a number below 0 as `take_transactions` does.

    ids: uint64 [n], keys of transactions; times_us: int64 [n], of the reports; is_fraud: bool [n]; statuses:
    int8 [n]; the rest as for `take_transactions`.
    """
    if not are_usable(accounts, merchants, devices, categories, recent, held, counters, undo):
        return -1
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
        _end_step(entities)
    return 0
