"""Velocity windows of one record: the compiled arithmetic of hops.

A value at time t covers the hop of t and the ones before it inside the window. All is integer
addition, so the order of additions does not show. What a late event may see or change is decided
here: hops newer than its own are invisible to it, and it enters its hop if the ring still has it. Outcomes
are in `label_windows`.
"""

from __future__ import annotations

import numpy as np

from kuntur.compiled.native import native
from kuntur.records.layout import DAILY, FINE, H_COUNTS, H_HEADS, HOURLY, W_SUMS

# The cents of a hop stop growing here (1.4e15 of a currency's unit): 31 hops of it still add up in 64 bits.
MAX_HOP_SUM = 2**57
MAX_LIFE_SUM = 2**61  # of all amounts of an account: three times as much still fits
HOP_LIMIT = 2**31 - 64  # hops are kept in 32 bits; a time beyond is taken as the farthest hop

FINE_HOP, FINE_HOPS = FINE
HOURLY_HOP, HOURLY_HOPS = HOURLY
DAILY_HOP, DAILY_HOPS = DAILY


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


@native
def read_window(words, halves, sums, counts, hops, window, head, hop):
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
def add_to_ring(words, halves, sums, counts, hops, head, hop, amount):
    """Adds an amount to its hop. Returns 1 if it was too late for the ring and went nowhere, else 0."""
    if hop <= head - hops:
        return 1
    slot = sums + hop % hops
    words[slot] = min(words[slot] + amount, MAX_HOP_SUM)
    halves[counts + hop % hops] += 1
    return 0
