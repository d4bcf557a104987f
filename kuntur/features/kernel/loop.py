"""The compiled loop: for each transaction in order, first its features, then it enters the history.

Serving one transaction, serving a frame and replaying a year all run this code.
"""

from __future__ import annotations

import numpy as np

from kuntur.compiled.native import native, native_inline
from kuntur.features.kernel.account import enter_account, start_account, write_account
from kuntur.features.kernel.columns import (
    ACCOUNT_BLOCK,
    CATEGORY_BLOCK,
    DEVICE_ACCOUNT_COUNT,
    DEVICE_BLOCK,
    MERCHANT_BLOCK,
)
from kuntur.features.kernel.local_time import local_seconds
from kuntur.features.kernel.profile import (
    account_count,
    enter_profile,
    has_transactions,
    remember_account,
    start_profile,
    write_profile,
)
from kuntur.features.kernel.records import prefetch, record_of, seal_if_there
from kuntur.features.kernel.transaction import write_transaction
from kuntur.features.kernel.views import (
    ACCOUNT,
    COUNTED,
    DEVICE,
    EVENT_TIME,
    Moment,
    Record,
    Transactions,
    entities_of,
)
from kuntur.features.kernel.windows import DAILY_HOP, FINE_HOP, HOURLY_HOP, advance_rings, hop_of
from kuntur.records import layout as at
from kuntur.records.adding import return_blank
from kuntur.records.table import ABSENT, DAMAGED, is_closed


@native
def _profile_of(table, block, moment, transactions, i, out, counters, undo):
    """Writes the features of the merchant, device or category of a transaction and lets it enter.

    Returns where the record starts that is to be sealed, ABSENT when there is none, or DAMAGED.
    """
    words, halves = table
    keys, ints, _ = transactions
    key = keys[i, block.key]
    counted = ints[i, COUNTED] != 0
    if key == np.uint64(0) or is_closed(words):
        out[i, block.first : block.end] = np.nan
        return np.int64(ABSENT)
    start, fresh = record_of(words, key, counted, counters, undo)
    if start < 0:
        return np.int64(DAMAGED)
    blank = fresh and not counted
    h = 2 * (start + at.PROFILE_WORDS)
    record = Record(words, halves, start, h)
    if fresh:
        start_profile(halves, h)
    fresh = fresh or not has_transactions(halves, h)
    if counted:
        advance_rings(record, moment)
    write_profile(record, moment, ints, i, fresh, out, block.first)
    with_accounts = block.key == DEVICE
    if with_accounts:
        out[i, DEVICE_ACCOUNT_COUNT] = account_count(halves, h)
    if counted:
        enter_profile(record, moment, ints, i, fresh, counters)
        if with_accounts:
            remember_account(halves, h, keys, i)
        return start
    if blank:
        return_blank(words)
    return np.int64(ABSENT)


@native
def _account_of(table, moment, log_amount, transactions, i, out, counters, undo):
    """Does for the account what `_profile_of` does for the other entities."""
    words, halves = table
    keys, ints, _ = transactions
    key = keys[i, ACCOUNT]
    counted = ints[i, COUNTED] != 0
    if key == np.uint64(0) or is_closed(words):
        out[i, ACCOUNT_BLOCK.first : ACCOUNT_BLOCK.end] = np.nan
        return np.int64(ABSENT)
    start, fresh = record_of(words, key, counted, counters, undo)
    if start < 0:
        return np.int64(DAMAGED)
    h = 2 * (start + at.ACCOUNT_WORDS)
    record = Record(words, halves, start, h)
    if fresh:
        start_account(halves, h)
    if counted:
        advance_rings(record, moment)
    write_account(record, moment, transactions, log_amount, i, out)
    if counted:
        enter_account(record, moment, transactions, log_amount, i, counters)
        return start
    if fresh:
        return_blank(words)
    return np.int64(ABSENT)


@native_inline
def process_one(transactions, offsets, i, entities, out):
    """Writes the features of transaction i and lets it enter the history; returns whether it could.

    transactions: `Transactions`; entities: `Entities`; the rest as for `process`. False when an index does
    not lead to its records: then the step has to be undone.
    """
    ints = transactions.ints
    time_s = ints[i, EVENT_TIME] // at.MICROSECONDS
    moment = Moment(
        hop_of(time_s, FINE_HOP),
        hop_of(time_s, HOURLY_HOP),
        hop_of(time_s, DAILY_HOP),
        local_seconds(offsets, time_s),
    )
    counters, undo = entities.counters, entities.undo
    log_amount = write_transaction(ints, moment.local_s, i, out)
    account = _account_of(entities.accounts, moment, log_amount, transactions, i, out, counters, undo)
    merchant = _profile_of(entities.merchants, MERCHANT_BLOCK, moment, transactions, i, out, counters, undo)
    device = _profile_of(entities.devices, DEVICE_BLOCK, moment, transactions, i, out, counters, undo)
    category = _profile_of(entities.categories, CATEGORY_BLOCK, moment, transactions, i, out, counters, undo)
    done = min(account, merchant, device, category) != DAMAGED  # ABSENT is more
    if done and len(undo) > 0:  # last, when the processor has written the records' new words away
        seal_if_there(entities.accounts.words, account, undo)
        seal_if_there(entities.merchants.words, merchant, undo)
        seal_if_there(entities.devices.words, device, undo)
        seal_if_there(entities.categories.words, category, undo)
    return done


# Arrays and no tuples: `kuntur.features.kernel.views` says what these cost a call from Python.
@native
def process(keys, ints, floats, offsets, accounts, merchants, devices, categories, counters, undo, out):
    """Computes the features of transactions in order; each enters the history after its own are written.

    keys: uint64 [n, KeyColumn]; ints: int64 [n, IntColumn]; floats: float64 [n, FloatColumn]; offsets: of
    `kuntur.time_zone.TimeZone`, whose hours and days they are; accounts, merchants, devices, categories:
    tables with room for n new records each; counters: int64 [COUNTERS], raised; undo: `kuntur.records.undo`,
    for one transaction after the other; out: float32 [n, ≥ catalogue], the catalogue's columns are written.
    """
    transactions = Transactions(keys, ints, floats)
    entities = entities_of(accounts, merchants, devices, categories, counters, undo)
    for i in range(len(ints)):
        prefetch(keys, i, entities)
        process_one(transactions, offsets, i, entities, out)
