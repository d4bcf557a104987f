"""The compiled loops of a history that is served: each transaction and each outcome whole or not at all.

A step is one transaction (remembered by id, its features, its entry) or one outcome (the label remembered,
its changes made or held). What a step overwrites is in the undo log until the step is whole, so whoever
finds a history whose process died in the middle of a step puts it back with `kuntur.records.undo.roll_back`.
A step that meets damage which it cannot pass is left so too, to be put back, mended and begun again.
"""

from __future__ import annotations

from kuntur.compiled.native import native
from kuntur.features.kernel import EVENT_TIME, both_widths, prefetch, process_one, report_one
from kuntur.history import held as holding
from kuntur.history import recent as remembering
from kuntur.history.held import hold, is_due, is_full, rows_hold, take_due
from kuntur.history.recent import admit, prefetch_admission, resolve
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
    """Makes every held change that became known before an hour, each a step of its own.

    Returns False when it met damage.
    """
    keys, _, counted_us, frauds, outcomes = changes
    if not rows_hold(held, undo):
        return False
    while take_due(held, undo, hour, keys, counted_us, frauds, outcomes):
        keep(undo, counters, counters[C_BASE], 0, COUNTER_WORDS)
        if not report_one(
            keys, counted_us, frauds, outcomes, 0, accounts, merchants, devices, categories, counters, undo
        ):
            return False
        seal_header(counters, SEALED_COUNTERS, undo)
        commit(undo)
    commit(undo)
    return True


@native
def take_transactions(
    keys, ints, floats, offsets,
    accounts, merchants, devices, categories, recent, held, counters, undo, changes, out,
):  # fmt: skip
    """Counts transactions in order and writes the features of each.

    Returns how many were known before. When it meets damage that is to be mended first, a number below 0, of
    which -1 - number is how many were counted; the step after these has to be undone.

    keys, ints, floats, offsets: as for `kernel.process`; COUNTED of those known before becomes 0;
    accounts … held, counters, undo: parts of the history; changes: room for the changes of one outcome, as
    `LabelChanges` has them; out: float32 [n, ≥ catalogue].
    """
    if not are_usable(accounts, merchants, devices, categories, recent, held, counters, undo):
        return -1
    repeated = 0
    tables = both_widths(accounts, merchants, devices, categories)
    for i in range(len(ints)):
        prefetch(keys, i, tables)
        prefetch_admission(recent, keys, i + _AHEAD)
        hour = ints[i, EVENT_TIME] // _HOUR_US
        if is_due(held, hour) and not _release(
            held, hour, changes, accounts, merchants, devices, categories, counters, undo
        ):
            return -1 - i
        keep(undo, counters, counters[C_BASE], 0, COUNTER_WORDS)
        known = admit(recent, undo, keys, ints, i)
        if known < 0:
            return -1 - i
        counters[C_REPEATED] += known
        repeated += known
        if process_one(keys, ints, floats, offsets, i, tables, counters, undo, out) < 0:
            return -1 - i
        seal_header(counters, SEALED_COUNTERS, undo)
        commit(undo)
    return repeated


@native
def take_outcomes(
    transactions, times_us, is_fraud, statuses,
    accounts, merchants, devices, categories, recent, held, counters, undo, changes,
):  # fmt: skip
    """Lets outcomes enter the history in order, and writes an `OutcomeStatus` each.

    Returns 0, or a number below 0 as `take_transactions` does.

    transactions: uint64 [n], keys; times_us: int64 [n], of the reports; is_fraud: bool [n]; statuses: int8
    [n]; the rest as for `take_transactions`.
    """
    if not are_usable(accounts, merchants, devices, categories, recent, held, counters, undo):
        return -1
    keys, known_us, counted_us, frauds, outcomes = changes
    for i in range(len(transactions)):
        if is_full(held) and not _release(
            held, _FARTHEST_HOUR, changes, accounts, merchants, devices, categories, counters, undo
        ):
            return -1 - i
        keep(undo, counters, counters[C_BASE], 0, COUNTER_WORDS)
        status, count = resolve(
            recent, undo, transactions[i], times_us[i], is_fraud[i],
            keys, known_us, counted_us, frauds, outcomes,
        )  # fmt: skip
        if status < 0:
            return -1 - i
        statuses[i] = status
        for row in range(count):
            if outcomes[row] < 0:
                hold(held, undo, keys, known_us, counted_us, frauds, outcomes, row)
            elif not report_one(
                keys, counted_us, frauds, outcomes, row,
                accounts, merchants, devices, categories, counters, undo,
            ):  # fmt: skip
                return -1 - i
        seal_header(counters, SEALED_COUNTERS, undo)
        commit(undo)
    return 0
