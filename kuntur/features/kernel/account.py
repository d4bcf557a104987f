"""The account of a transaction, compiled: its features, and how the transaction and its reports enter."""

from __future__ import annotations

import math

import numpy as np

from kuntur.compiled.native import native
from kuntur.features.kernel.columns import OF_ACCOUNT as TO
from kuntur.features.kernel.novelty import is_known, remember
from kuntur.features.kernel.transaction import is_night
from kuntur.features.kernel.views import (
    AMOUNT,
    C_LATE,
    COUNTERPARTY,
    COUNTRY,
    DEVICE,
    EVENT_TIME,
    LATITUDE,
    LONGITUDE,
    MERCHANT,
)
from kuntur.features.kernel.windows import (
    MAX_LIFE_SUM,
    enter_rings,
    ratio,
    read_velocity,
    start_rings,
    write_window,
)
from kuntur.records import layout as at
from kuntur.records.layout import LOG_QUANTUM, UNSET_DEGREES

_EARTH_RADIUS_KM = 6371.0088  # mean radius, IUGG
_SECOND_US = at.MICROSECONDS
_MONTH_S = 30.0 * at.DAY_S


@native
def start_account(halves, h):
    """Makes a new record of an account ready."""
    start_rings(halves, h)
    halves[h + at.H_LATITUDE] = UNSET_DEGREES
    halves[h + at.H_FRAUD_HOUR] = UNSET_DEGREES
    halves[h + at.H_FRAUD_PREVIOUS_HOUR] = UNSET_DEGREES


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
def _country_key(ints, i):
    return np.uint64(ints[i, COUNTRY]) << np.uint64(32)


@native
def write_account(record, moment, transactions, log_amount, i, out):
    """Writes the features of an account whose rings have been moved to the time of transaction i."""
    words, halves, w, h = record
    keys, ints, floats = transactions
    time_us, cents = ints[i, EVENT_TIME], ints[i, AMOUNT]
    amount = cents / 100.0
    seen = read_velocity(record, moment)
    n1, n2, n3, n4 = seen.count_1h, seen.count_24h, seen.count_7d, seen.count_30d
    write_window(
        out, i, TO.account_count_1h, TO.account_mean_1h, TO.account_amount_ratio_1h,
        n1, seen.mean_1h, amount,
    )  # fmt: skip
    write_window(
        out, i, TO.account_count_24h, TO.account_mean_24h, TO.account_amount_ratio_24h,
        n2, seen.mean_24h, amount,
    )  # fmt: skip
    write_window(
        out, i, TO.account_count_7d, TO.account_mean_7d, TO.account_amount_ratio_7d,
        n3, seen.mean_7d, amount,
    )  # fmt: skip
    write_window(
        out, i, TO.account_count_30d, TO.account_mean_30d, TO.account_amount_ratio_30d,
        n4, seen.mean_30d, amount,
    )  # fmt: skip
    out[i, TO.account_sum_1h] = seen.sum_1h / 100.0
    out[i, TO.account_sum_24h] = seen.sum_24h / 100.0
    out[i, TO.account_sum_7d] = seen.sum_7d / 100.0
    out[i, TO.account_sum_30d] = seen.sum_30d / 100.0
    total = words[w + at.W_TOTAL_COUNT]
    zscore = np.nan
    if total >= 3:
        mean = words[w + at.W_LOG_SUM] / LOG_QUANTUM / total
        variance = words[w + at.W_LOG_SQUARES] / (LOG_QUANTUM * LOG_QUANTUM) / total - mean * mean
        zscore = (log_amount - mean) / max(math.sqrt(max(variance, 0.0)), 0.05)
    out[i, TO.account_total_count] = total
    out[i, TO.account_log_amount_zscore] = zscore
    out[i, TO.account_amount_to_max] = ratio(cents, words[w + at.W_MAX_AMOUNT]) if total > 0 else np.nan
    last_us = words[w + at.W_LAST_TIME_US]
    seconds = (time_us - last_us) / _SECOND_US
    known = total > 0 and time_us >= last_us and seconds >= 0.0  # times far apart leave 64 bits
    out[i, TO.account_seconds_since_last] = seconds if known else np.nan
    out[i, TO.account_burst_1h_24h] = ratio(n1, n2)
    out[i, TO.account_burst_24h_30d] = ratio(n2 * 30.0, n4)
    out[i, TO.account_burst_7d_30d] = ratio(n3 * 30.0, n4 * 7.0)
    out[i, TO.account_burst_24h_7d] = ratio(n2 * 7.0, n3)
    out[i, TO.amount_times_count_24h] = log_amount * (1.0 + n2)
    out[i, TO.account_gap_to_usual] = seconds * n4 / _MONTH_S if known and n4 > 0 else np.nan
    out[i, TO.account_night_share] = halves[h + at.H_NIGHT_COUNT] / total if total > 0 else np.nan
    usual = words[w + at.W_USUAL_SUM] / 100.0 / total if total > 0 else np.nan
    out[i, TO.account_usual_amount] = usual
    out[i, TO.account_amount_to_usual] = ratio(amount, usual)
    out[i, TO.account_mean_to_usual_24h] = ratio(seen.mean_24h, usual)
    out[i, TO.account_mean_to_usual_7d] = ratio(seen.mean_7d, usual)
    out[i, TO.account_mean_to_usual_30d] = ratio(seen.mean_30d, usual)
    _write_place(record, time_us, total, floats, i, out)
    _write_novelty(halves, h, keys, ints, i, out)
    _write_frauds(halves, h, moment.hourly, i, out)


@native
def _write_place(record, time_us, total, floats, i, out):
    words, halves, w, h = record
    distance = speed = np.nan
    if total > 0 and halves[h + at.H_LATITUDE] != UNSET_DEGREES and _located(floats, i):
        latitude, longitude = halves[h + at.H_LATITUDE] / 1e6, halves[h + at.H_LONGITUDE] / 1e6
        distance = _distance_km(latitude, longitude, floats[i, LATITUDE], floats[i, LONGITUDE])
        position_us = words[w + at.W_POSITION_TIME_US]
        travelled = (time_us - position_us) / _SECOND_US
        if time_us >= position_us and travelled >= 60.0:
            speed = distance / (travelled / 3600.0)
    out[i, TO.distance_km] = distance
    out[i, TO.speed_kmh] = speed


@native
def _write_novelty(halves, h, keys, ints, i, out):
    out[i, TO.is_new_merchant] = is_known(halves, h + at.H_MERCHANTS, at.RECENT_MERCHANTS, keys[i, MERCHANT])
    out[i, TO.is_new_device] = is_known(halves, h + at.H_DEVICES, at.RECENT_DEVICES, keys[i, DEVICE])
    out[i, TO.is_new_country] = is_known(
        halves, h + at.H_COUNTRIES, at.RECENT_COUNTRIES, _country_key(ints, i)
    )
    out[i, TO.is_new_counterparty] = is_known(
        halves, h + at.H_COUNTERPARTIES, at.RECENT_COUNTERPARTIES, keys[i, COUNTERPARTY]
    )
    out[i, TO.account_merchant_turnover] = halves[h + at.H_MERCHANTS]
    out[i, TO.account_device_turnover] = halves[h + at.H_DEVICES]


@native
def _write_frauds(halves, h, hour, i, out):
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
    out[i, TO.account_fraud_count] = frauds if told_apart else np.nan
    out[i, TO.account_hours_since_fraud] = since if told_apart else np.nan


@native
def enter_account(record, moment, transactions, log_amount, i, counters):
    """Lets transaction i enter the record of its account, whose rings have been moved to its time."""
    words, halves, w, h = record
    keys, ints, floats = transactions
    time_us, cents = ints[i, EVENT_TIME], ints[i, AMOUNT]
    enter_rings(record, moment, cents, counters)
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
    if is_night(moment.local_s):
        halves[h + at.H_NIGHT_COUNT] += 1
    words[w + at.W_TOTAL_COUNT] = total + 1
    quantised = np.int64(round(log_amount * LOG_QUANTUM))
    words[w + at.W_LOG_SUM] += quantised
    words[w + at.W_LOG_SQUARES] += quantised * quantised
    words[w + at.W_MAX_AMOUNT] = max(words[w + at.W_MAX_AMOUNT], cents)
    remember(halves, h + at.H_MERCHANTS, at.RECENT_MERCHANTS, keys[i, MERCHANT])
    remember(halves, h + at.H_DEVICES, at.RECENT_DEVICES, keys[i, DEVICE])
    remember(halves, h + at.H_COUNTRIES, at.RECENT_COUNTRIES, _country_key(ints, i))
    remember(halves, h + at.H_COUNTERPARTIES, at.RECENT_COUNTERPARTIES, keys[i, COUNTERPARTY])


@native
def add_frauds(halves, h, hour, frauds):
    """Adds frauds of an account in the hour of their report, or below 0 takes them back."""
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
