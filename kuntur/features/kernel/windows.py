"""Velocity windows of one record: the compiled arithmetic of hops.

A value at time t covers the hop of t and those before it inside the window. Everything is integer addition,
so the order of additions makes no difference. What a late event may see or change is decided here: hops newer
than its own are invisible to it, and it enters its hop if the ring still has it. Outcomes are in
`label_windows`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kuntur.compiled.native import native, native_inline
from kuntur.features.kernel.views import C_LATE_DROPPED
from kuntur.records.layout import DAILY, FINE, H_COUNTS, H_HEADS, HOURLY, W_SUMS

# The cents of a hop stop growing here (1.4e15 of a currency's unit): 31 hops of it still add up in 64 bits.
MAX_HOP_SUM = 2**57
MAX_LIFE_SUM = 2**61  # of all amounts of an account: three times as much still fits
HOP_LIMIT = 2**31 - 64  # hops are kept in 32 bits; a time beyond them counts as the farthest hop

FINE_HOP, FINE_HOPS = FINE
HOURLY_HOP, HOURLY_HOPS = HOURLY
DAILY_HOP, DAILY_HOPS = DAILY


class Velocity(NamedTuple):
    """What the rings of a record hold at a moment: counts, sums in hundredths and means of each window."""

    count_1h: int
    count_24h: int
    count_7d: int
    count_30d: int
    sum_1h: int
    sum_24h: int
    sum_7d: int
    sum_30d: int
    mean_1h: float
    mean_24h: float
    mean_7d: float
    mean_30d: float


@native
def ratio(a, b):
    """Returns a / b, NaN unless b is positive."""
    return a / b if b > 0.0 else np.nan


@native
def hop_of(time_s, hop_s):
    """Returns the hop of a time in seconds; the same farthest hop for all times out of range."""
    return min(max(time_s // hop_s, -HOP_LIMIT), HOP_LIMIT)


@native
def start_rings(halves, h):
    """Makes the rings of a new record ready: their newest hop lies before any time."""
    for ring in range(3):
        halves[h + H_HEADS + ring] = -HOP_LIMIT - 32


@native
def _advance(words, halves, sums, counts, hops, head, hop):
    if hop - head >= hops:
        words[sums : sums + hops] = 0
        halves[counts : counts + hops] = 0
    else:
        for passed in range(head + 1, hop + 1):
            words[sums + passed % hops] = 0
            halves[counts + passed % hops] = 0


@native
def advance_rings(record, moment):
    """Moves the rings of a record to newer hops, emptying what leaves them. Older hops move nothing."""
    words, halves, w, h = record
    head = halves[h + H_HEADS]
    if moment.fine > head:
        _advance(words, halves, w + W_SUMS, h + H_COUNTS, FINE_HOPS, head, moment.fine)
        halves[h + H_HEADS] = moment.fine
    head = halves[h + H_HEADS + 1]
    if moment.hourly > head:
        offset = FINE_HOPS
        _advance(words, halves, w + W_SUMS + offset, h + H_COUNTS + offset, HOURLY_HOPS, head, moment.hourly)
        halves[h + H_HEADS + 1] = moment.hourly
    head = halves[h + H_HEADS + 2]
    if moment.daily > head:
        offset = FINE_HOPS + HOURLY_HOPS
        _advance(words, halves, w + W_SUMS + offset, h + H_COUNTS + offset, DAILY_HOPS, head, moment.daily)
        halves[h + H_HEADS + 2] = moment.daily


@native
def _read_window(words, halves, sums, counts, hops, window, head, hop):
    """Returns (count, sum) of the `window` hops up to `hop`, as far as the ring still holds them."""
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


@native
def _add_to_ring(words, halves, sums, counts, hops, head, hop, amount):
    """Adds an amount to its hop. Returns 1 if it was too late for the ring and went nowhere, else 0."""
    if hop <= head - hops:
        return 1
    slot = sums + hop % hops
    words[slot] = min(words[slot] + amount, MAX_HOP_SUM)
    halves[counts + hop % hops] += 1
    return 0


@native
def _mean(total, count):
    return total / 100.0 / count if count > 0 else np.nan


@native
def read_velocity(record, moment):
    """Returns what the rings of a record, which have been moved to its time, hold for a transaction."""
    words, halves, w, h = record
    sums, counts, heads = w + W_SUMS, h + H_COUNTS, h + H_HEADS
    n1, s1 = _read_window(words, halves, sums, counts, FINE_HOPS, FINE_HOPS, halves[heads], moment.fine)
    sums += FINE_HOPS
    counts += FINE_HOPS
    head = halves[heads + 1]
    n2, s2 = _read_window(words, halves, sums, counts, HOURLY_HOPS, HOURLY_HOPS, head, moment.hourly)
    sums += HOURLY_HOPS
    counts += HOURLY_HOPS
    head = halves[heads + 2]
    n3, s3 = _read_window(words, halves, sums, counts, DAILY_HOPS, 7, head, moment.daily)
    n4, s4 = _read_window(words, halves, sums, counts, DAILY_HOPS, DAILY_HOPS, head, moment.daily)
    return Velocity(
        n1, n2, n3, n4, s1, s2, s3, s4, _mean(s1, n1), _mean(s2, n2), _mean(s3, n3), _mean(s4, n4)
    )  # fmt: skip


@native_inline
def write_window(out, i, count_at, mean_at, ratio_at, count, mean, amount):
    """Writes three features of a window to their columns."""
    out[i, count_at] = count
    out[i, mean_at] = mean
    out[i, ratio_at] = ratio(amount, mean)


@native
def enter_rings(record, moment, cents, counters):
    """Adds a transaction to the rings of a record, which have been moved to its time."""
    words, halves, w, h = record
    sums, counts, heads = w + W_SUMS, h + H_COUNTS, h + H_HEADS
    lost = _add_to_ring(words, halves, sums, counts, FINE_HOPS, halves[heads], moment.fine, cents)
    sums += FINE_HOPS
    counts += FINE_HOPS
    lost += _add_to_ring(words, halves, sums, counts, HOURLY_HOPS, halves[heads + 1], moment.hourly, cents)
    sums += HOURLY_HOPS
    counts += HOURLY_HOPS
    lost += _add_to_ring(words, halves, sums, counts, DAILY_HOPS, halves[heads + 2], moment.daily, cents)
    if lost > 0:
        counters[C_LATE_DROPPED] += 1
