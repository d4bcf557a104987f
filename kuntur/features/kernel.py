"""The compiled loop: one transaction after the other, first what was known before it, then it enters.

Serving one transaction, serving a frame and replaying a year all run this code. It writes the columns
of `kuntur.features.catalogue`, in that order.
"""

from __future__ import annotations

import math

import numpy as np

from kuntur.compiled.native import native, native_inline
from kuntur.currency import HOME_COUNTRY_NUMBER, HOME_CURRENCY_NUMBER
from kuntur.features.label_windows import add_outcome, start_labels, write_labels
from kuntur.features.local_time import local_seconds
from kuntur.features.novelty import is_known, remember
from kuntur.features.windows import (
    DAILY_HOP,
    DAILY_HOPS,
    FINE_HOP,
    FINE_HOPS,
    HOURLY_HOP,
    HOURLY_HOPS,
    MAX_LIFE_SUM,
    add_to_ring,
    advance_rings,
    hop_of,
    read_window,
    start_rings,
)
from kuntur.records import layout as at
from kuntur.records.layout import LOG_QUANTUM, UNSET_DEGREES
from kuntur.records.prefetch import prefetch_place, prefetch_record
from kuntur.records.table import (
    ABSENT,
    DAMAGED,
    add,
    borrow_blank,
    empty_record,
    find,
    is_closed,
    keep_record,
    record_holds,
    return_blank,
    seal_record,
)
from kuntur.transaction import UNSET_INT, FloatColumn, IntColumn, KeyColumn

EVENT_TIME, AMOUNT, BALANCE = (
    int(IntColumn.EVENT_TIME_US),
    int(IntColumn.AMOUNT_CENTS),
    int(IntColumn.BALANCE_CENTS),
)
TYPE, CHANNEL, ACCOUNT_TYPE = int(IntColumn.TYPE), int(IntColumn.CHANNEL), int(IntColumn.ACCOUNT_TYPE)
AGE, COUNTRY, CURRENCY = int(IntColumn.ACCOUNT_AGE_DAYS), int(IntColumn.COUNTRY), int(IntColumn.CURRENCY)
COUNTED = int(IntColumn.COUNTED)
LATITUDE, LONGITUDE = int(FloatColumn.LATITUDE), int(FloatColumn.LONGITUDE)
ACCOUNT, MERCHANT, DEVICE = int(KeyColumn.ACCOUNT), int(KeyColumn.MERCHANT), int(KeyColumn.DEVICE)
CATEGORY, COUNTERPARTY = int(KeyColumn.CATEGORY), int(KeyColumn.COUNTERPARTY)

C_LATE, C_LATE_DROPPED, C_OUTCOMES_LATE = 0, 1, 2
C_DAMAGED = 5  # behind the two of `kuntur.history.serving`; only where records are sealed
COUNTERS = 3

_EARTH_RADIUS_KM = 6371.0088  # mean radius, IUGG
_SECOND_US = at.MICROSECONDS
_HOUR_S, _DAY_S = at.HOUR_S, at.DAY_S
_MONTH_S = 30.0 * at.DAY_S
_LAST_NIGHT_HOUR = 6


@native
def _ratio(a, b):
    return a / b if b > 0.0 else np.nan


@native
def _row(ints, local_s, i, out, j):
    cents = ints[i, AMOUNT]
    amount = cents / 100.0
    hour = local_s // _HOUR_S % 24
    weekday = (local_s // _DAY_S + 3) % 7  # 1970-01-01 was a Thursday
    out[i, j] = amount
    log_amount = math.log1p(max(amount, 0.0))
    out[i, j + 1] = log_amount
    out[i, j + 2] = 1.0 if cents % 1000 == 0 else 0.0
    balance = ints[i, BALANCE]
    out[i, j + 3] = np.nan if balance == UNSET_INT else _ratio(amount, balance / 100.0)
    out[i, j + 4] = hour
    out[i, j + 5] = weekday
    out[i, j + 6] = 1.0 if weekday >= 5 else 0.0
    out[i, j + 7] = 1.0 if hour <= _LAST_NIGHT_HOUR else 0.0
    out[i, j + 8] = np.nan if ints[i, TYPE] == 0 else ints[i, TYPE]
    out[i, j + 9] = np.nan if ints[i, CHANNEL] == 0 else ints[i, CHANNEL]
    out[i, j + 10] = np.nan if ints[i, ACCOUNT_TYPE] == 0 else ints[i, ACCOUNT_TYPE]
    out[i, j + 11] = np.nan if ints[i, AGE] == UNSET_INT else ints[i, AGE]
    country = ints[i, COUNTRY]
    out[i, j + 12] = np.nan if country == 0 else (0.0 if country == HOME_COUNTRY_NUMBER else 1.0)
    out[i, j + 13] = 0.0 if ints[i, CURRENCY] == HOME_CURRENCY_NUMBER else 1.0
    return j + 14, log_amount


@native
def _velocity(words, halves, w, h, hops, amount, with_sums, out, i, j):
    """Writes the window features of a record; gives the next column, four counts and the last three means."""
    fine_hop, hourly_hop, daily_hop = hops
    sums, counts = w + at.W_SUMS, h + at.H_COUNTS
    n1, s1 = read_window(words, halves, sums, counts, FINE_HOPS, FINE_HOPS, halves[h + at.H_HEADS], fine_hop)
    sums += FINE_HOPS
    counts += FINE_HOPS
    head = halves[h + at.H_HEADS + 1]
    n2, s2 = read_window(words, halves, sums, counts, HOURLY_HOPS, HOURLY_HOPS, head, hourly_hop)
    sums += HOURLY_HOPS
    counts += HOURLY_HOPS
    head = halves[h + at.H_HEADS + 2]
    n3, s3 = read_window(words, halves, sums, counts, DAILY_HOPS, 7, head, daily_hop)
    n4, s4 = read_window(words, halves, sums, counts, DAILY_HOPS, DAILY_HOPS, head, daily_hop)
    mean1 = s1 / 100.0 / n1 if n1 > 0 else np.nan
    mean2 = s2 / 100.0 / n2 if n2 > 0 else np.nan
    mean3 = s3 / 100.0 / n3 if n3 > 0 else np.nan
    mean4 = s4 / 100.0 / n4 if n4 > 0 else np.nan
    for n, s, mean in ((n1, s1, mean1), (n2, s2, mean2), (n3, s3, mean3), (n4, s4, mean4)):
        out[i, j] = n
        j += 1
        if with_sums:
            out[i, j] = s / 100.0
            j += 1
        out[i, j] = mean
        out[i, j + 1] = _ratio(amount, mean)
        j += 2
    return j, n1, n2, n3, n4, mean2, mean3, mean4


@native
def _enter_rings(words, halves, w, h, hops, cents, counters):
    """Adds a transaction to the rings, which have been moved to its time."""
    fine_hop, hourly_hop, daily_hop = hops
    sums, counts, heads = w + at.W_SUMS, h + at.H_COUNTS, h + at.H_HEADS
    lost = add_to_ring(words, halves, sums, counts, FINE_HOPS, halves[heads], fine_hop, cents)
    sums += FINE_HOPS
    counts += FINE_HOPS
    lost += add_to_ring(words, halves, sums, counts, HOURLY_HOPS, halves[heads + 1], hourly_hop, cents)
    sums += HOURLY_HOPS
    counts += HOURLY_HOPS
    lost += add_to_ring(words, halves, sums, counts, DAILY_HOPS, halves[heads + 2], daily_hop, cents)
    if lost > 0:
        counters[C_LATE_DROPPED] += 1


@native
def _distance_km(latitude, longitude, latitude_2, longitude_2):
    """Great-circle distance by the haversine formula (Sinnott, 1984); arguments in degrees."""
    phi, phi_2 = math.radians(latitude), math.radians(latitude_2)
    a = math.sin((phi_2 - phi) / 2.0) ** 2
    a += math.cos(phi) * math.cos(phi_2) * math.sin(math.radians(longitude_2 - longitude) / 2.0) ** 2
    return 2.0 * _EARTH_RADIUS_KM * math.asin(min(1.0, math.sqrt(a)))


@native
def _located(floats, i):
    return (abs(floats[i, LATITUDE]) <= 90.0) and (abs(floats[i, LONGITUDE]) <= 180.0)  # False for NaN


@native
def _account(words, halves, w, h, hops, keys, ints, floats, log_amount, i, out, j):
    time_us, cents = ints[i, EVENT_TIME], ints[i, AMOUNT]
    amount = cents / 100.0
    j, n1, n2, n3, n4, mean2, mean3, mean4 = _velocity(words, halves, w, h, hops, amount, True, out, i, j)
    total = words[w + at.W_TOTAL_COUNT]
    out[i, j] = total
    zscore = np.nan
    if total >= 3:
        mean = words[w + at.W_LOG_SUM] / LOG_QUANTUM / total
        variance = words[w + at.W_LOG_SQUARES] / (LOG_QUANTUM * LOG_QUANTUM) / total - mean * mean
        zscore = (log_amount - mean) / max(math.sqrt(max(variance, 0.0)), 0.05)
    out[i, j + 1] = zscore
    out[i, j + 2] = _ratio(cents, words[w + at.W_MAX_AMOUNT]) if total > 0 else np.nan
    last_us = words[w + at.W_LAST_TIME_US]
    seconds = (time_us - last_us) / _SECOND_US
    known = total > 0 and time_us >= last_us and seconds >= 0.0  # times far apart leave 64 bits
    out[i, j + 3] = seconds if known else np.nan
    out[i, j + 4] = _ratio(n1, n2)
    out[i, j + 5] = _ratio(n2 * 30.0, n4)
    out[i, j + 6] = _ratio(n3 * 30.0, n4 * 7.0)
    out[i, j + 7] = log_amount * (1.0 + n2)
    distance = speed = np.nan
    if total > 0 and halves[h + at.H_LATITUDE] != UNSET_DEGREES and _located(floats, i):
        latitude, longitude = halves[h + at.H_LATITUDE] / 1e6, halves[h + at.H_LONGITUDE] / 1e6
        distance = _distance_km(latitude, longitude, floats[i, LATITUDE], floats[i, LONGITUDE])
        position_us = words[w + at.W_POSITION_TIME_US]
        travelled = (time_us - position_us) / _SECOND_US
        if time_us >= position_us and travelled >= 60.0:
            speed = distance / (travelled / 3600.0)
    out[i, j + 8] = distance
    out[i, j + 9] = speed
    out[i, j + 10] = is_known(halves, h + at.H_MERCHANTS, at.RECENT_MERCHANTS, keys[i, MERCHANT])
    out[i, j + 11] = is_known(halves, h + at.H_DEVICES, at.RECENT_DEVICES, keys[i, DEVICE])
    country = np.uint64(ints[i, COUNTRY]) << np.uint64(32)
    out[i, j + 12] = is_known(halves, h + at.H_COUNTRIES, at.RECENT_COUNTRIES, country)
    out[i, j + 13] = is_known(
        halves, h + at.H_COUNTERPARTIES, at.RECENT_COUNTERPARTIES, keys[i, COUNTERPARTY]
    )
    out[i, j + 14] = halves[h + at.H_MERCHANTS]
    out[i, j + 15] = halves[h + at.H_DEVICES]
    hour = hops[1]
    frauds, previous = np.int64(halves[h + at.H_FRAUD_BEFORE]), halves[h + at.H_FRAUD_PREVIOUS_HOUR]
    since = np.nan
    if frauds > 0 and halves[h + at.H_FRAUD_IN_PREVIOUS_HOUR] > 0:  # else it was in an hour not kept apart
        since = hour - previous
    newest = halves[h + at.H_FRAUD_HOUR]
    if newest < hour and halves[h + at.H_FRAUD_IN_HOUR] > 0:  # else they were taken back
        frauds += halves[h + at.H_FRAUD_IN_HOUR]
        since = hour - newest
    # Only the newest reports are kept apart: for a transaction later than that it cannot be told which
    # of the reports were there, and it must not see those of its future.
    told_apart = frauds == 0 or previous < hour
    out[i, j + 16] = frauds if told_apart else np.nan
    out[i, j + 17] = since if told_apart else np.nan
    usual = words[w + at.W_USUAL_SUM] / 100.0 / total if total > 0 else np.nan
    out[i, j + 18] = usual
    out[i, j + 19] = _ratio(amount, usual)
    out[i, j + 20] = _ratio(mean2, usual)
    out[i, j + 21] = _ratio(mean3, usual)
    out[i, j + 22] = _ratio(mean4, usual)
    out[i, j + 23] = _ratio(n2 * 7.0, n3)
    out[i, j + 24] = seconds * n4 / _MONTH_S if known and n4 > 0 else np.nan
    out[i, j + 25] = halves[h + at.H_NIGHT_COUNT] / total if total > 0 else np.nan
    return j + 26


@native
def _enter_account(words, halves, w, h, hops, keys, ints, floats, local_s, log_amount, i, counters):
    time_us, cents = ints[i, EVENT_TIME], ints[i, AMOUNT]
    _enter_rings(words, halves, w, h, hops, cents, counters)
    if words[w + at.W_TOTAL_COUNT] > 0 and time_us < words[w + at.W_LAST_TIME_US]:
        counters[C_LATE] += 1
    else:
        words[w + at.W_LAST_TIME_US] = time_us
        if _located(floats, i):
            halves[h + at.H_LATITUDE] = round(floats[i, LATITUDE] * 1e6)
            halves[h + at.H_LONGITUDE] = round(floats[i, LONGITUDE] * 1e6)
            words[w + at.W_POSITION_TIME_US] = time_us
    total, usual_sum = words[w + at.W_TOTAL_COUNT], words[w + at.W_USUAL_SUM]
    usual = cents
    if total >= at.USUAL_FROM and usual_sum > 0:
        usual = min(cents, at.USUAL_LIMIT * usual_sum // total)
    words[w + at.W_USUAL_SUM] = min(usual_sum + usual, MAX_LIFE_SUM)
    if local_s // _HOUR_S % 24 <= _LAST_NIGHT_HOUR:
        halves[h + at.H_NIGHT_COUNT] += 1
    words[w + at.W_TOTAL_COUNT] = total + 1
    quantised = np.int64(round(log_amount * LOG_QUANTUM))
    words[w + at.W_LOG_SUM] += quantised
    words[w + at.W_LOG_SQUARES] += quantised * quantised
    words[w + at.W_MAX_AMOUNT] = max(words[w + at.W_MAX_AMOUNT], cents)
    remember(halves, h + at.H_MERCHANTS, at.RECENT_MERCHANTS, keys[i, MERCHANT])
    remember(halves, h + at.H_DEVICES, at.RECENT_DEVICES, keys[i, DEVICE])
    country = np.uint64(ints[i, COUNTRY]) << np.uint64(32)
    remember(halves, h + at.H_COUNTRIES, at.RECENT_COUNTRIES, country)
    remember(halves, h + at.H_COUNTERPARTIES, at.RECENT_COUNTERPARTIES, keys[i, COUNTERPARTY])


@native
def _profile(words, halves, w, h, hops, day, ints, i, fresh, out, j):
    amount = ints[i, AMOUNT] / 100.0
    j, _, n2, n3, n4, _, _, _ = _velocity(words, halves, w, h, hops, amount, False, out, i, j)
    time_us, last_us = ints[i, EVENT_TIME], words[w + at.W_LAST_TIME_US]
    seconds = (time_us - last_us) / _SECOND_US
    out[i, j] = seconds if time_us >= last_us and seconds >= 0.0 and not fresh else np.nan
    out[i, j + 1] = _ratio(n2 * 7.0, n3)
    out[i, j + 2] = _ratio(n3 * 30.0, n4 * 7.0)
    return write_labels(halves, h, hops[1], day, out, i, j + 3)


_AHEAD = 4  # rows; measured with 10,000 and 100,000 accounts
_PROFILE_COLUMNS = 4 * 3 + 3 + 2 * len(at.LABEL_WINDOWS_DAYS) + 6


@native
def _record_of(table, key, counted, counters, undo):
    """Returns where the record of a key starts, and whether it is new; a blank one if it must not be added.

    A record that is about to change is kept in `undo`. One that is damaged is counted, and its entity begins
    afresh: a wrong history is worse than none. DAMAGED when the index does not lead there: whoever is told
    so leaves the step as it is, to be undone.
    """
    start = find(table, key, undo)
    if start == DAMAGED:
        return start, False
    if start == ABSENT:
        return (add(table, key, undo) if counted else borrow_blank(table)), True
    if counted:
        if keep_record(table, start, undo):
            return start, False
        counters[C_DAMAGED] += 1
        empty_record(table, start)
        return start, True
    if record_holds(table, start, undo):
        return start, False
    counters[C_DAMAGED] += 1
    return borrow_blank(table), True


@native
def _profile_of(memory, keys, column, hops, ints, i, with_accounts, out, j, counters, undo):
    """Writes the features of the merchant, device or category of a transaction and lets it enter.

    Returns where the record starts that is to be sealed, ABSENT when there is none, or DAMAGED.
    """
    table, halves = memory
    width = _PROFILE_COLUMNS + (1 if with_accounts else 0)
    key = keys[i, column]
    counted = ints[i, COUNTED] != 0
    if key == np.uint64(0) or is_closed(table):
        out[i, j : j + width] = np.nan
        return np.int64(ABSENT)
    start, fresh = _record_of(table, key, counted, counters, undo)
    if start < 0:
        return np.int64(DAMAGED)
    blank = fresh and not counted
    w, h = start, 2 * (start + at.PROFILE_WORDS)
    if fresh:
        start_rings(halves, h)
        start_labels(halves, h)
    # A record that was made by an outcome alone has no latest transaction either.
    fresh = fresh or halves[h + at.H_HEADS + 2] < -(2**31) + 128
    if counted:
        advance_rings(table, halves, w, h, hops[0], hops[1], hops[2])
    _profile(table, halves, w, h, hops, hops[2], ints, i, fresh, out, j)
    if with_accounts:
        out[i, j + _PROFILE_COLUMNS] = min(halves[h + at.H_ACCOUNTS], at.RECENT_ACCOUNTS)
    if counted:
        _enter_rings(table, halves, w, h, hops, ints[i, AMOUNT], counters)
        if fresh or ints[i, EVENT_TIME] > table[w + at.W_LAST_TIME_US]:
            table[w + at.W_LAST_TIME_US] = ints[i, EVENT_TIME]
        if with_accounts:
            remember(halves, h + at.H_ACCOUNTS, at.RECENT_ACCOUNTS, keys[i, ACCOUNT])
        return start
    if blank:
        return_blank(table)
    return np.int64(ABSENT)


@native
def _start_account(halves, h):
    start_rings(halves, h)
    halves[h + at.H_LATITUDE] = UNSET_DEGREES
    halves[h + at.H_FRAUD_HOUR] = UNSET_DEGREES
    halves[h + at.H_FRAUD_PREVIOUS_HOUR] = UNSET_DEGREES


_ACCOUNT_COLUMNS = 4 * 4 + 26


@native
def _account_of(memory, hops, keys, ints, floats, local_s, log_amount, i, out, j, counters, undo):
    """Does for the account what `_profile_of` does for others."""
    table, halves = memory
    key = keys[i, ACCOUNT]
    counted = ints[i, COUNTED] != 0
    if key == np.uint64(0) or is_closed(table):
        out[i, j : j + _ACCOUNT_COLUMNS] = np.nan
        return np.int64(ABSENT)
    start, fresh = _record_of(table, key, counted, counters, undo)
    if start < 0:
        return np.int64(DAMAGED)
    w, h = start, 2 * (start + at.ACCOUNT_WORDS)
    if fresh:
        _start_account(halves, h)
    if counted:
        advance_rings(table, halves, w, h, hops[0], hops[1], hops[2])
    _account(table, halves, w, h, hops, keys, ints, floats, log_amount, i, out, j)
    if counted:
        _enter_account(table, halves, w, h, hops, keys, ints, floats, local_s, log_amount, i, counters)
        return start
    if fresh:
        return_blank(table)
    return np.int64(ABSENT)


@native
def both_widths(accounts, merchants, devices, categories):
    """Returns each table as int64 and, over the same memory, as int32. For compiled callers alone."""
    return (
        (accounts, accounts.view(np.int32)),
        (merchants, merchants.view(np.int32)),
        (devices, devices.view(np.int32)),
        (categories, categories.view(np.int32)),
    )


@native_inline
def _prefetch_places(keys, row, tables):
    prefetch_place(tables[0][0], keys[row, ACCOUNT])
    prefetch_place(tables[1][0], keys[row, MERCHANT])
    prefetch_place(tables[2][0], keys[row, DEVICE])
    prefetch_place(tables[3][0], keys[row, CATEGORY])


@native_inline
def _prefetch_records(keys, row, tables):
    prefetch_record(tables[0][0], keys[row, ACCOUNT])
    prefetch_record(tables[1][0], keys[row, MERCHANT])
    prefetch_record(tables[2][0], keys[row, DEVICE])
    prefetch_record(tables[3][0], keys[row, CATEGORY])


@native_inline
def prefetch(keys, i, tables):
    """Fetches ahead what transactions soon after row i need; tables: of `both_widths`."""
    if i == 0:  # nobody fetched ahead for the first rows
        for row in range(min(2 * _AHEAD, len(keys))):
            _prefetch_places(keys, row, tables)
        for row in range(min(_AHEAD, len(keys))):
            _prefetch_records(keys, row, tables)
    if i + 2 * _AHEAD < len(keys):
        _prefetch_places(keys, i + 2 * _AHEAD, tables)
    if i + _AHEAD < len(keys):
        _prefetch_records(keys, i + _AHEAD, tables)


@native
def _seal_if_there(table, start, undo):
    if start >= 0:
        seal_record(table, start, undo)


@native_inline
def process_one(keys, ints, floats, offsets, i, tables, counters, undo, out):
    """Writes the features of transaction i and lets it enter the history; returns the columns written.

    tables: of `both_widths`; undo: where what is overwritten is kept, or an empty array; the rest as for
    `process`. DAMAGED when an index does not lead to its records: then the step has to be undone.
    """
    time_s = ints[i, EVENT_TIME] // _SECOND_US
    local_s = local_seconds(offsets, time_s)
    hops = (hop_of(time_s, FINE_HOP), hop_of(time_s, HOURLY_HOP), hop_of(time_s, DAILY_HOP))
    accounts, merchants, devices, categories = tables
    j, log_amount = _row(ints, local_s, i, out, 0)
    account = _account_of(accounts, hops, keys, ints, floats, local_s, log_amount, i, out, j, counters, undo)
    j += _ACCOUNT_COLUMNS
    merchant = _profile_of(merchants, keys, MERCHANT, hops, ints, i, False, out, j, counters, undo)
    j += _PROFILE_COLUMNS
    device = _profile_of(devices, keys, DEVICE, hops, ints, i, True, out, j, counters, undo)
    j += _PROFILE_COLUMNS + 1
    category = _profile_of(categories, keys, CATEGORY, hops, ints, i, False, out, j, counters, undo)
    j += _PROFILE_COLUMNS
    if min(account, merchant, device, category) == DAMAGED:  # ABSENT is more
        return np.int64(DAMAGED)
    if len(undo) > 0:  # at the end, when the processor has written away what the records were given
        _seal_if_there(accounts[0], account, undo)
        _seal_if_there(merchants[0], merchant, undo)
        _seal_if_there(devices[0], device, undo)
        _seal_if_there(categories[0], category, undo)
    return np.int64(j)


@native
def process(keys, ints, floats, offsets, accounts, merchants, devices, categories, counters, undo, out):
    """Computes the features of transactions in order, each entering the history after it was looked at.

    keys: uint64 [n, KeyColumn]; ints: int64 [n, IntColumn]; floats: float64 [n, FloatColumn]; offsets: of
    `kuntur.time_zone.TimeZone`, whose hours and days they are; accounts, merchants, devices, categories:
    tables with room for n new records each; counters: int64 [COUNTERS], raised; undo: `kuntur.records.undo`,
    for one transaction after the other; out: float32 [n, ≥ catalogue], the catalogue's columns are written.
    Returns the number of columns written.
    """
    tables = both_widths(accounts, merchants, devices, categories)
    j = 0
    for i in range(len(ints)):
        prefetch(keys, i, tables)
        j = process_one(keys, ints, floats, offsets, i, tables, counters, undo, out)
    return j


@native
def _report_profile(table, key, hour, day, frauds, outcomes, counters, undo):
    if key == np.uint64(0) or is_closed(table):
        return 0
    start, fresh = _record_of(table, key, True, counters, undo)
    if start < 0:
        return DAMAGED
    halves, h = table.view(np.int32), 2 * (start + at.PROFILE_WORDS)
    if fresh:
        start_rings(halves, h)
        start_labels(halves, h)
    late = add_outcome(halves, h, hour, day, frauds, outcomes)
    seal_record(table, start, undo)
    return late


@native
def _report_account(table, key, hour, frauds, counters, undo):
    if key == np.uint64(0) or frauds == 0 or is_closed(table):
        return 0
    start, fresh = _record_of(table, key, True, counters, undo)
    if start < 0:
        return DAMAGED
    halves, h = table.view(np.int32), 2 * (start + at.ACCOUNT_WORDS)
    if fresh:
        _start_account(halves, h)
    _add_frauds(halves, h, hour, frauds)
    seal_record(table, start, undo)
    return 0


@native
def _add_frauds(halves, h, hour, frauds):
    newest, previous = halves[h + at.H_FRAUD_HOUR], halves[h + at.H_FRAUD_PREVIOUS_HOUR]
    if hour > newest:
        halves[h + at.H_FRAUD_PREVIOUS_HOUR] = newest
        halves[h + at.H_FRAUD_IN_PREVIOUS_HOUR] = halves[h + at.H_FRAUD_IN_HOUR]
        halves[h + at.H_FRAUD_BEFORE] += halves[h + at.H_FRAUD_IN_HOUR]
        halves[h + at.H_FRAUD_IN_HOUR] = frauds
        halves[h + at.H_FRAUD_HOUR] = hour
        return
    if hour == newest:
        halves[h + at.H_FRAUD_IN_HOUR] += frauds
        return
    halves[h + at.H_FRAUD_BEFORE] += frauds
    if hour > previous:
        halves[h + at.H_FRAUD_PREVIOUS_HOUR] = hour
        halves[h + at.H_FRAUD_IN_PREVIOUS_HOUR] = frauds
    elif hour == previous:
        halves[h + at.H_FRAUD_IN_PREVIOUS_HOUR] += frauds


@native
def report_one(keys, times_us, frauds, outcomes, i, accounts, merchants, devices, categories, counters, undo):
    """Lets change i enter the history; the arguments are those of `report`.

    Returns whether it did: if not, an index does not lead to its records, and the step has to be undone.
    """
    time_s = times_us[i] // _SECOND_US
    hour, day = hop_of(time_s, HOURLY_HOP), hop_of(time_s, DAILY_HOP)
    fraud, outcome = np.int64(frauds[i]), np.int64(outcomes[i])
    account = _report_account(accounts, keys[i, ACCOUNT], hour, fraud, counters, undo)
    merchant = _report_profile(merchants, keys[i, MERCHANT], hour, day, fraud, outcome, counters, undo)
    device = _report_profile(devices, keys[i, DEVICE], hour, day, fraud, outcome, counters, undo)
    category = _report_profile(categories, keys[i, CATEGORY], hour, day, fraud, outcome, counters, undo)
    if account < 0 or merchant < 0 or device < 0 or category < 0:
        return False
    if merchant + device + category > 0:
        counters[C_OUTCOMES_LATE] += 1
    return True


@native
def report(keys, times_us, frauds, outcomes, accounts, merchants, devices, categories, counters, undo):
    """Lets outcomes enter the history in the hour in which they were reported.

    keys: uint64 [n, KeyColumn] of the transactions; times_us: int64 [n], report times; frauds, outcomes:
    int8 [n], what is added: (1, 1) for a fraud, (0, 1) for a legitimate one, negative to take back; undo:
    as for `process`.
    """
    for i in range(len(times_us)):
        report_one(
            keys, times_us, frauds, outcomes, i, accounts, merchants, devices, categories, counters, undo
        )
