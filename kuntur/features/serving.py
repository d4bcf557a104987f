"""The compiled loops of a history that is served: each transaction and each outcome whole or not at all.

A step is one transaction (remembered by id, its features, its entry) or one outcome (the label remembered,
its changes made or held). What a step overwrites is in the undo log until the step is whole, so whoever
finds a history whose process died in the middle of a step puts it back with `kuntur.features.undo.roll_back`.
"""

from __future__ import annotations

from kuntur.features.held import hold, is_due, is_full, take_due
from kuntur.features.kernel import EVENT_TIME, both_widths, prefetch, process_one, report_one
from kuntur.features.layout import HOUR_S, MICROSECONDS
from kuntur.features.recent import admit, prefetch_admission, resolve
from kuntur.features.undo import commit, keep
from kuntur.native import native

# The parts of `counters`: those of the kernel, then transactions that came again, then where the
# counters stand in the whole memory.
C_REPEATED, C_BASE = 3, 4
COUNTER_WORDS = 8
_HOUR_US = HOUR_S * MICROSECONDS
_FARTHEST_HOUR = 2**62
_AHEAD = 8  # transactions; their ids lie anywhere in the index


@native
def _release(held, hour, changes, accounts, merchants, devices, categories, counters, undo):
    """Makes every held change that became known before an hour, each a step of its own."""
    keys, _, counted_us, frauds, outcomes = changes
    while take_due(held, undo, hour, keys, counted_us, frauds, outcomes):
        keep(undo, counters, counters[C_BASE], 0, COUNTER_WORDS)
        report_one(
            keys, counted_us, frauds, outcomes, 0, accounts, merchants, devices, categories, counters, undo
        )
        commit(undo)
    commit(undo)


@native
def take_transactions(
    keys, ints, floats, accounts, merchants, devices, categories, recent, held, counters, undo, changes, out
):
    """Counts transactions in order and writes the features of each; gives how many were known before.

    keys, ints, floats: as for `kernel.process`; COUNTED of those known before becomes 0; accounts … held,
    counters, undo: parts of the history; changes: room for the changes of one outcome, as
    `LabelChanges` has them; out: float32 [n, ≥ catalogue].
    """
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
        process_one(keys, ints, floats, i, tables, counters, undo, out)
        commit(undo)
    return repeated


@native
def take_outcomes(
    transactions, times_us, is_fraud, statuses,
    accounts, merchants, devices, categories, recent, held, counters, undo, changes,
):  # fmt: skip
    """Lets outcomes enter the history in order, and writes an `OutcomeStatus` each.

    transactions: uint64 [n], keys; times_us: int64 [n], of the reports; is_fraud: bool [n]; statuses: int8
    [n]; the rest as for `take_transactions`.
    """
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
        commit(undo)
