"""The compiled loops of a history that is served: each transaction and each outcome whole or not at all.

A step is one transaction (remembered by id, its features, its entry) or one outcome (the label remembered,
its changes made or held). What a step overwrites is in the undo log until the step is whole, so whoever
finds a history whose process died in the middle of a step puts it back with `kuntur.features.undo.roll_back`.
"""

from __future__ import annotations

from kuntur.features import held as holding
from kuntur.features import recent as remembering
from kuntur.features import table
from kuntur.features.held import hold, is_due, is_full, take_due
from kuntur.features.kernel import EVENT_TIME, both_widths, prefetch, process_one, report_one
from kuntur.features.layout import ACCOUNT_RECORD_WORDS, HOUR_S, MICROSECONDS, PROFILE_RECORD_WORDS
from kuntur.features.recent import admit, prefetch_admission, resolve
from kuntur.features.seals import header_holds, seal_header
from kuntur.features.undo import commit, keep
from kuntur.native import native

# The parts of `counters`: those of the kernel, then transactions that came again, then where the
# counters stand in the whole memory; C_DAMAGED of the kernel; the last is their seal.
C_REPEATED, C_BASE = 3, 4
COUNTER_WORDS = 8
SEALED_COUNTERS = COUNTER_WORDS - 1
DAMAGED = -1
_HOUR_US = HOUR_S * MICROSECONDS
_FARTHEST_HOUR = 2**62
_AHEAD = 8  # transactions; their ids lie anywhere in the index


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
def _release(held, hour, changes, accounts, merchants, devices, categories, counters, undo):
    """Makes every held change that became known before an hour, each a step of its own."""
    keys, _, counted_us, frauds, outcomes = changes
    while take_due(held, undo, hour, keys, counted_us, frauds, outcomes):
        keep(undo, counters, counters[C_BASE], 0, COUNTER_WORDS)
        report_one(
            keys, counted_us, frauds, outcomes, 0, accounts, merchants, devices, categories, counters, undo
        )
        seal_header(counters, SEALED_COUNTERS, undo)
        commit(undo)
    commit(undo)


@native
def take_transactions(
    keys, ints, floats, offsets,
    accounts, merchants, devices, categories, recent, held, counters, undo, changes, out,
):  # fmt: skip
    """Counts transactions in order and writes the features of each.

    Returns how many were known before; DAMAGED, with nothing counted, when the headers are not usable.

    keys, ints, floats, offsets: as for `kernel.process`; COUNTED of those known before becomes 0;
    accounts … held, counters, undo: parts of the history; changes: room for the changes of one outcome, as
    `LabelChanges` has them; out: float32 [n, ≥ catalogue].
    """
    if not are_usable(accounts, merchants, devices, categories, recent, held, counters, undo):
        return DAMAGED
    repeated = 0
    tables = both_widths(accounts, merchants, devices, categories)
    for i in range(len(ints)):
        prefetch(keys, i, tables)
        prefetch_admission(recent, keys, i + _AHEAD)
        hour = ints[i, EVENT_TIME] // _HOUR_US
        if is_due(held, hour):
            _release(held, hour, changes, accounts, merchants, devices, categories, counters, undo)
        keep(undo, counters, counters[C_BASE], 0, COUNTER_WORDS)
        if admit(recent, undo, keys, ints, i):
            counters[C_REPEATED] += 1
            repeated += 1
        process_one(keys, ints, floats, offsets, i, tables, counters, undo, out)
        seal_header(counters, SEALED_COUNTERS, undo)
        commit(undo)
    return repeated


@native
def take_outcomes(
    transactions, times_us, is_fraud, statuses,
    accounts, merchants, devices, categories, recent, held, counters, undo, changes,
):  # fmt: skip
    """Lets outcomes enter the history in order, and writes an `OutcomeStatus` each.

    Returns 0; DAMAGED, with nothing done, when the headers are not usable.

    transactions: uint64 [n], keys; times_us: int64 [n], of the reports; is_fraud: bool [n]; statuses: int8
    [n]; the rest as for `take_transactions`.
    """
    if not are_usable(accounts, merchants, devices, categories, recent, held, counters, undo):
        return DAMAGED
    keys, known_us, counted_us, frauds, outcomes = changes
    for i in range(len(transactions)):
        if is_full(held):
            _release(held, _FARTHEST_HOUR, changes, accounts, merchants, devices, categories, counters, undo)
        keep(undo, counters, counters[C_BASE], 0, COUNTER_WORDS)
        statuses[i], count = resolve(
            recent, undo, transactions[i], times_us[i], is_fraud[i],
            keys, known_us, counted_us, frauds, outcomes,
        )  # fmt: skip
        for row in range(count):
            if outcomes[row] < 0:
                hold(held, undo, keys, known_us, counted_us, frauds, outcomes, row)
            else:
                report_one(
                    keys, counted_us, frauds, outcomes, row,
                    accounts, merchants, devices, categories, counters, undo,
                )  # fmt: skip
        seal_header(counters, SEALED_COUNTERS, undo)
        commit(undo)
    return 0
