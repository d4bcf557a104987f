"""What outcomes add to the histories of their entities, compiled."""

from __future__ import annotations

import numpy as np

from kuntur.compiled.native import native
from kuntur.features.kernel.account import add_frauds, start_account
from kuntur.features.kernel.label_windows import add_outcome
from kuntur.features.kernel.profile import start_profile
from kuntur.features.kernel.records import record_of
from kuntur.features.kernel.views import (
    ACCOUNT,
    C_OUTCOMES_LATE,
    CATEGORY,
    DEVICE,
    MERCHANT,
    Change,
    entities_of,
)
from kuntur.features.kernel.windows import DAILY_HOP, HOURLY_HOP, hop_of
from kuntur.records import layout as at
from kuntur.records.table import DAMAGED, is_closed, seal_record


@native
def _report_profile(table, key, hour, day, change, counters, undo):
    words, halves = table
    if key == np.uint64(0) or is_closed(words):
        return 0
    start, fresh = record_of(words, key, True, counters, undo)
    if start < 0:
        return DAMAGED
    h = 2 * (start + at.PROFILE_WORDS)
    if fresh:
        start_profile(halves, h)
    late = add_outcome(halves, h, hour, day, change.fraud, change.outcome)
    seal_record(words, start, undo)
    return late


@native
def _report_account(table, key, hour, frauds, counters, undo):
    words, halves = table
    if key == np.uint64(0) or frauds == 0 or is_closed(words):
        return 0
    start, fresh = record_of(words, key, True, counters, undo)
    if start < 0:
        return DAMAGED
    h = 2 * (start + at.ACCOUNT_WORDS)
    if fresh:
        start_account(halves, h)
    add_frauds(halves, h, hour, frauds)
    seal_record(words, start, undo)
    return 0


@native
def report_one(change, entities):
    """Lets a `Change` enter the history of its `Entities`.

    Returns whether it did: if not, an index does not lead to its records, and the step has to be undone.
    """
    time_s = change.counted_us // at.MICROSECONDS
    hour, day = hop_of(time_s, HOURLY_HOP), hop_of(time_s, DAILY_HOP)
    counters, undo = entities.counters, entities.undo
    account = _report_account(entities.accounts, change.account, hour, change.fraud, counters, undo)
    merchant = _report_profile(entities.merchants, change.merchant, hour, day, change, counters, undo)
    device = _report_profile(entities.devices, change.device, hour, day, change, counters, undo)
    category = _report_profile(entities.categories, change.category, hour, day, change, counters, undo)
    if account < 0 or merchant < 0 or device < 0 or category < 0:
        return False
    if merchant + device + category > 0:
        counters[C_OUTCOMES_LATE] += 1
    return True


# Arrays and no tuples: `kuntur.features.kernel.views` says what these cost a call from Python.
@native
def report(keys, times_us, frauds, outcomes, accounts, merchants, devices, categories, counters, undo):
    """Lets outcomes enter the history in the hour in which they were reported.

    keys: uint64 [n, KeyColumn] of the transactions; times_us: int64 [n], report times; frauds, outcomes:
    int8 [n], what is added: (1, 1) for a fraud, (0, 1) for a legitimate one, negative to take back; the rest
    as for `kernel.process`.
    """
    entities = entities_of(accounts, merchants, devices, categories, counters, undo)
    for i in range(len(times_us)):
        change = Change(
            keys[i, ACCOUNT],
            keys[i, MERCHANT],
            keys[i, DEVICE],
            keys[i, CATEGORY],
            times_us[i],
            np.int64(frauds[i]),
            np.int64(outcomes[i]),
        )
        report_one(change, entities)
