"""Velocity windows and label windows of one record: the compiled arithmetic of hops.

A value at time t covers the hop of t and the ones before it inside the window. All is integer
addition, so the order of additions does not show. What a late event may see or change is decided
here: hops newer than its own are invisible to it, and it enters its hop if the ring still has it.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from kuntur.features.layout import (
    DAILY,
    FINE,
    H_COUNTS,
    H_DAY_FRAUDS,
    H_DAY_OUTCOMES,
    H_HEADS,
    H_HOUR_FRAUDS,
    H_HOUR_OUTCOMES,
    H_LABEL_DAY,
    H_LABEL_HOUR,
    HOURLY,
    LABEL_DAYS,
    LABEL_HOURS,
    LABEL_WINDOWS_DAYS,
    W_SUMS,
)

# The cents of a hop stop growing here (1.4e15 of a currency's unit): 31 hops of it still add up in 64 bits.
MAX_HOP_SUM = 2**57
_HOP_LIMIT = 2**31 - 64  # hops are kept in 32 bits; a time beyond is taken as the farthest hop

FINE_HOP, FINE_HOPS = FINE
HOURLY_HOP, HOURLY_HOPS = HOURLY
DAILY_HOP, DAILY_HOPS = DAILY
_, WEEK, MONTH = LABEL_WINDOWS_DAYS


@njit(cache=True, nogil=False)
def hop_of(time_s, hop_s):
    """Gives the hop of a time in seconds; the same farthest hop for all times out of range."""
    return min(max(time_s // hop_s, -_HOP_LIMIT), _HOP_LIMIT)


@njit(cache=True, nogil=False)
def start_rings(halves, h):
    """Makes the rings of a new record ready: their newest hop lies before any time."""
    for ring in range(3):
        halves[h + H_HEADS + ring] = -_HOP_LIMIT - 32


@njit(cache=True, nogil=False)
def start_labels(halves, h):
    """Makes the label rings of a new record ready."""
    halves[h + H_LABEL_HOUR] = -_HOP_LIMIT - 32
    halves[h + H_LABEL_DAY] = -_HOP_LIMIT - 32


@njit(cache=True, nogil=False)
def _advance(words, halves, sums, counts, hops, head, hop):
    if hop - head >= hops:
        words[sums : sums + hops] = 0
        halves[counts : counts + hops] = 0
    else:
        for passed in range(head + 1, hop + 1):
            words[sums + passed % hops] = 0
            halves[counts + passed % hops] = 0


@njit(cache=True, nogil=False)
def advance_rings(words, halves, w, h, fine_hop, hourly_hop, daily_hop):
    """Moves the rings of a record to newer hops, emptying what leaves them. Older hops move nothing.

    words: the table as int64; halves: the same memory as int32; w, h: where the record's words and
    half-words start.
    """
    head = halves[h + H_HEADS]
    if fine_hop > head:
        _advance(words, halves, w + W_SUMS, h + H_COUNTS, FINE_HOPS, head, fine_hop)
        halves[h + H_HEADS] = fine_hop
    head = halves[h + H_HEADS + 1]
    if hourly_hop > head:
        offset = FINE_HOPS
        _advance(words, halves, w + W_SUMS + offset, h + H_COUNTS + offset, HOURLY_HOPS, head, hourly_hop)
        halves[h + H_HEADS + 1] = hourly_hop
    head = halves[h + H_HEADS + 2]
    if daily_hop > head:
        offset = FINE_HOPS + HOURLY_HOPS
        _advance(words, halves, w + W_SUMS + offset, h + H_COUNTS + offset, DAILY_HOPS, head, daily_hop)
        halves[h + H_HEADS + 2] = daily_hop


@njit(cache=True, nogil=False)
def read_window(words, halves, sums, counts, hops, window, head, hop):
    """Gives (count, sum) of the `window` hops up to `hop`, as far as the ring still holds them."""
    count = np.int64(0)
    total = np.int64(0)
    if hop == head and window == hops:  # nearly always: no order to keep, the whole circle counts
        for slot in range(hops):
            count += halves[counts + slot]
            total += words[sums + slot]
        return count, total
    low = max(hop - window, head - hops) + 1
    slot = low % hops
    for _ in range(low, min(hop, head) + 1):
        count += halves[counts + slot]
        total += words[sums + slot]
        slot = slot + 1 if slot + 1 < hops else 0
    return count, total


@njit(cache=True, nogil=False)
def add_to_ring(words, halves, sums, counts, hops, head, hop, amount):
    """Adds an amount to its hop. Returns 1 if it was too late for the ring and went nowhere, else 0."""
    if hop <= head - hops:
        return 1
    slot = sums + hop % hops
    words[slot] = min(words[slot] + amount, MAX_HOP_SUM)
    halves[counts + hop % hops] += 1
    return 0


@njit(cache=True, nogil=False)
def _clear_labels(halves, frauds, outcomes, hops, head, hop):
    if hop - head >= hops:
        halves[frauds : frauds + hops] = 0
        halves[outcomes : outcomes + hops] = 0
    else:
        for passed in range(head + 1, hop + 1):
            halves[frauds + passed % hops] = 0
            halves[outcomes + passed % hops] = 0


@njit(cache=True, nogil=False)
def advance_labels(halves, h, hour, day):
    """Moves the label rings of a record to a newer hour and day."""
    head = halves[h + H_LABEL_HOUR]
    if hour > head:
        _clear_labels(halves, h + H_HOUR_FRAUDS, h + H_HOUR_OUTCOMES, LABEL_HOURS, head, hour)
        halves[h + H_LABEL_HOUR] = hour
    head = halves[h + H_LABEL_DAY]
    if day > head:
        _clear_labels(halves, h + H_DAY_FRAUDS, h + H_DAY_OUTCOMES, LABEL_DAYS, head, day)
        halves[h + H_LABEL_DAY] = day


@njit(cache=True, nogil=False)
def add_outcome(halves, h, hour, day, frauds, outcomes):
    """Adds (or, below 0, takes back) outcomes in the hour and day in which they were reported.

    Returns 1 if both rings have moved past them, else 0.
    """
    advance_labels(halves, h, hour, day)
    kept = 0
    if hour > halves[h + H_LABEL_HOUR] - LABEL_HOURS:
        halves[h + H_HOUR_FRAUDS + hour % LABEL_HOURS] += frauds
        halves[h + H_HOUR_OUTCOMES + hour % LABEL_HOURS] += outcomes
        kept = 1
    if day > halves[h + H_LABEL_DAY] - LABEL_DAYS:
        halves[h + H_DAY_FRAUDS + day % LABEL_DAYS] += frauds
        halves[h + H_DAY_OUTCOMES + day % LABEL_DAYS] += outcomes
        kept = 1
    return 1 - kept


@njit(cache=True, nogil=False)
def _sum_labels(halves, frauds, outcomes, hops, head, first, last):
    if first <= head - hops and first <= last:  # part of it has left the ring
        return np.nan, np.nan
    fraud_count = np.int64(0)
    outcome_count = np.int64(0)
    slot = first % hops
    for _ in range(first, min(last, head) + 1):
        fraud_count += halves[frauds + slot]
        outcome_count += halves[outcomes + slot]
        slot = slot + 1 if slot + 1 < hops else 0  # a division for each hop would cost more than the sums
    return np.float64(fraud_count), np.float64(outcome_count)


@njit(cache=True, nogil=False)
def read_labels(halves, h, hour, day):
    """Gives (frauds, outcomes) reported before this hour in each of the label windows of 1, 7 and 30 days.

    One day: the last 24 whole hours. Longer: the whole days of the window and the whole hours of
    the current day. The current hour is never in it, so it does not matter in which order the
    outcomes of an hour arrive between its transactions. NaN where the rings, which go by the newest
    report, no longer hold all hours or days of a window, as for a transaction from before that report's
    hour (1 day) or day (7 and 30 days): a part of the count would pass for the whole.
    """
    nothing = 0.0, 0.0
    head_hour, head_day = halves[h + H_LABEL_HOUR], halves[h + H_LABEL_DAY]
    if head_day < day - MONTH:  # most entities have no outcomes at all
        return nothing, nothing, nothing
    frauds, outcomes = h + H_HOUR_FRAUDS, h + H_HOUR_OUTCOMES
    in_day = _sum_labels(halves, frauds, outcomes, LABEL_HOURS, head_hour, hour - 24, hour - 1)
    today = _sum_labels(halves, frauds, outcomes, LABEL_HOURS, head_hour, day * 24, hour - 1)
    frauds, outcomes = h + H_DAY_FRAUDS, h + H_DAY_OUTCOMES
    week = _sum_labels(halves, frauds, outcomes, LABEL_DAYS, head_day, day - WEEK, day - 1)
    before = _sum_labels(halves, frauds, outcomes, LABEL_DAYS, head_day, day - MONTH, day - WEEK - 1)
    in_week = today[0] + week[0], today[1] + week[1]
    return in_day, in_week, (in_week[0] + before[0], in_week[1] + before[1])
