"""The merchant, the device and the category of a transaction, compiled: features, and how it enters."""

from __future__ import annotations

import numpy as np

from kuntur.compiled.native import native
from kuntur.features.kernel.columns import OF_PROFILE as TO
from kuntur.features.kernel.label_windows import start_labels, write_labels
from kuntur.features.kernel.novelty import remember
from kuntur.features.kernel.views import ACCOUNT, AMOUNT, EVENT_TIME
from kuntur.features.kernel.windows import enter_rings, ratio, read_velocity, start_rings, write_window
from kuntur.records import layout as at

_SECOND_US = at.MICROSECONDS


@native
def start_profile(halves, h):
    """Makes a new record of a merchant, device or category ready."""
    start_rings(halves, h)
    start_labels(halves, h)


@native
def has_transactions(halves, h):
    """Returns whether a record has a latest transaction: one that an outcome alone made has none."""
    return halves[h + at.H_HEADS + 2] >= -(2**31) + 128


@native
def write_profile(record, moment, ints, i, fresh, out, first):
    """Writes the features of a record whose rings have been moved to the time of transaction i.

    fresh: whether it has no latest transaction; first: the column of the first feature of its kind.
    """
    words, halves, w, h = record
    amount = ints[i, AMOUNT] / 100.0
    seen = read_velocity(record, moment)
    n2, n3, n4 = seen.count_24h, seen.count_7d, seen.count_30d
    write_window(
        out, i, first + TO.count_1h, first + TO.mean_1h, first + TO.amount_ratio_1h,
        seen.count_1h, seen.mean_1h, amount,
    )  # fmt: skip
    write_window(
        out, i, first + TO.count_24h, first + TO.mean_24h, first + TO.amount_ratio_24h,
        n2, seen.mean_24h, amount,
    )  # fmt: skip
    write_window(
        out, i, first + TO.count_7d, first + TO.mean_7d, first + TO.amount_ratio_7d,
        n3, seen.mean_7d, amount,
    )  # fmt: skip
    write_window(
        out, i, first + TO.count_30d, first + TO.mean_30d, first + TO.amount_ratio_30d,
        n4, seen.mean_30d, amount,
    )  # fmt: skip
    time_us, last_us = ints[i, EVENT_TIME], words[w + at.W_LAST_TIME_US]
    seconds = (time_us - last_us) / _SECOND_US
    known = time_us >= last_us and seconds >= 0.0 and not fresh  # times far apart leave 64 bits
    out[i, first + TO.seconds_since_last] = seconds if known else np.nan
    out[i, first + TO.burst_24h_7d] = ratio(n2 * 7.0, n3)
    out[i, first + TO.burst_7d_30d] = ratio(n3 * 30.0, n4 * 7.0)
    write_labels(halves, h, moment.hourly, moment.daily, out, i, first)


@native
def account_count(halves, h):
    """Returns how many different accounts a device was seen with, up to RECENT_ACCOUNTS."""
    return min(halves[h + at.H_ACCOUNTS], at.RECENT_ACCOUNTS)


@native
def enter_profile(record, moment, ints, i, fresh, counters):
    """Lets transaction i enter a record whose rings have been moved to its time."""
    enter_rings(record, moment, ints[i, AMOUNT], counters)
    words, w = record.words, record.w
    if fresh or ints[i, EVENT_TIME] > words[w + at.W_LAST_TIME_US]:
        words[w + at.W_LAST_TIME_US] = ints[i, EVENT_TIME]


@native
def remember_account(halves, h, keys, i):
    """Remembers the account with which a device was seen."""
    remember(halves, h + at.H_ACCOUNTS, at.RECENT_ACCOUNTS, keys[i, ACCOUNT])
