"""Label windows of one record: outcomes by the hour and day in which they were reported, compiled.

Everything is integer addition, so the order of reports makes no difference and an outcome can be taken back.
What a late transaction may see is decided here: only what was reported before its own hour, or NaN.
"""

from __future__ import annotations

import numpy as np

from kuntur.compiled.native import native, native_inline
from kuntur.features.kernel.columns import OF_PROFILE as TO
from kuntur.features.kernel.windows import HOP_LIMIT, ratio
from kuntur.records.layout import (
    H_DAY_FRAUDS,
    H_DAY_OUTCOMES,
    H_HOUR_FRAUDS,
    H_HOUR_OUTCOMES,
    H_LABEL_DAY,
    H_LABEL_HOUR,
    LABEL_DAYS,
    LABEL_HOURS,
    LABEL_WINDOWS_DAYS,
)

_, WEEK, FORTNIGHT, MONTH = LABEL_WINDOWS_DAYS


@native
def start_labels(halves, h):
    """Makes the label rings of a new record ready."""
    halves[h + H_LABEL_HOUR] = -HOP_LIMIT - 32
    halves[h + H_LABEL_DAY] = -HOP_LIMIT - 32


@native
def _clear_labels(halves, frauds, outcomes, hops, head, hop):
    if hop - head >= hops:
        halves[frauds : frauds + hops] = 0
        halves[outcomes : outcomes + hops] = 0
    else:
        for passed in range(head + 1, hop + 1):
            halves[frauds + passed % hops] = 0
            halves[outcomes + passed % hops] = 0


@native
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


@native
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


@native
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


@native
def write_labels(halves, h, hour, day, out, i, first):
    """Writes the label features of a record into row i; first: the column of the first feature of its kind.

    One day: the last 24 whole hours. Longer windows and all ages in days: the whole days of the window and
    the whole hours of the current day. The current hour never counts, so it does not matter in which order
    the outcomes of an hour arrive between its transactions. NaN where the rings, which move with the newest
    report, no longer hold all hours or days of a window, as for a transaction from two hours (1 day) or two
    days (longer) before that report: a part of the count would pass for the whole.
    """
    head_hour, head_day = halves[h + H_LABEL_HOUR], halves[h + H_LABEL_DAY]
    if head_day < day - MONTH:  # most entities have no outcomes at all
        _write_count(out, i, first + TO.fraud_count_1d, first + TO.risk_1d, 0.0, 0.0)
        _write_count(out, i, first + TO.fraud_count_7d, first + TO.risk_7d, 0.0, 0.0)
        _write_count(out, i, first + TO.fraud_count_14d, first + TO.risk_14d, 0.0, 0.0)
        _write_count(out, i, first + TO.fraud_count_30d, first + TO.risk_30d, 0.0, 0.0)
        _write_no_episode(out, i, first)
        out[i, first + TO.fraud_run] = 0.0
        return
    frauds, outcomes = h + H_HOUR_FRAUDS, h + H_HOUR_OUTCOMES
    in_day = _sum_labels(halves, frauds, outcomes, LABEL_HOURS, head_hour, hour - 24, hour - 1)
    today = _sum_labels(halves, frauds, outcomes, LABEL_HOURS, head_hour, day * 24, hour - 1)
    frauds, outcomes = h + H_DAY_FRAUDS, h + H_DAY_OUTCOMES
    week = _sum_labels(halves, frauds, outcomes, LABEL_DAYS, head_day, day - WEEK, day - 1)
    second = _sum_labels(halves, frauds, outcomes, LABEL_DAYS, head_day, day - FORTNIGHT, day - WEEK - 1)
    before = _sum_labels(halves, frauds, outcomes, LABEL_DAYS, head_day, day - MONTH, day - FORTNIGHT - 1)
    in_week = today[0] + week[0], today[1] + week[1]
    in_fortnight = in_week[0] + second[0], in_week[1] + second[1]
    in_month = in_fortnight[0] + before[0], in_fortnight[1] + before[1]
    _write_count(out, i, first + TO.fraud_count_1d, first + TO.risk_1d, in_day[0], in_day[1])
    _write_count(out, i, first + TO.fraud_count_7d, first + TO.risk_7d, in_week[0], in_week[1])
    _write_count(out, i, first + TO.fraud_count_14d, first + TO.risk_14d, in_fortnight[0], in_fortnight[1])
    _write_count(out, i, first + TO.fraud_count_30d, first + TO.risk_30d, in_month[0], in_month[1])
    _write_episode(halves, h, day, today, in_month[0], out, i, first)


@native_inline
def _write_count(out, i, count_at, risk_at, frauds, outcomes):
    out[i, count_at] = frauds
    out[i, risk_at] = ratio(frauds, outcomes)


@native_inline
def _write_no_episode(out, i, first):
    out[i, first + TO.days_since_fraud] = np.nan
    out[i, first + TO.days_since_first_fraud] = np.nan
    out[i, first + TO.days_since_legitimate] = np.nan
    out[i, first + TO.fraud_share_since_first] = np.nan
    out[i, first + TO.fraud_run] = np.nan
    out[i, first + TO.fraud_run_days] = np.nan


@native
def _write_episode(halves, h, day, today, left, out, i, first):
    """Writes what the days of the last month, the newest first, say of an episode of frauds.

    Days since the latest fraud, since the first one and since the latest legitimate outcome; share of
    frauds since the first; frauds since the day of the latest legitimate outcome and the age of the first
    of these. The hours of today, (frauds, outcomes), count as one day; left: frauds of the month.
    """
    _write_no_episode(out, i, first)
    if np.isnan(left):
        return
    head = halves[h + H_LABEL_DAY]
    latest, legitimate, run_age = -1, -1, -1
    run = fraud_sum = outcome_sum = 0.0
    slot = day % LABEL_DAYS
    for age in range(MONTH + 1):
        if age == 0:
            frauds, outcomes = today
        elif day - age > head:
            frauds, outcomes = 0.0, 0.0
        else:
            frauds = np.float64(halves[h + H_DAY_FRAUDS + slot])
            outcomes = np.float64(halves[h + H_DAY_OUTCOMES + slot])
        slot = slot - 1 if slot > 0 else LABEL_DAYS - 1
        fraud_sum += frauds
        outcome_sum += outcomes
        if legitimate < 0 and outcomes > frauds:
            legitimate = age
            out[i, first + TO.days_since_legitimate] = age
        if frauds > 0:
            if latest < 0:
                latest = age
                out[i, first + TO.days_since_fraud] = age
            if legitimate < 0:
                run += frauds
                run_age = age
            left -= frauds
            if left <= 0:
                out[i, first + TO.days_since_first_fraud] = age
                out[i, first + TO.fraud_share_since_first] = fraud_sum / outcome_sum
        if left <= 0 and legitimate >= 0:  # the rest of the month has nothing more to say
            break
    out[i, first + TO.fraud_run] = run
    if run_age >= 0:
        out[i, first + TO.fraud_run_days] = run_age
