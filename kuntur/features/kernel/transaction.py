"""The features of a transaction by itself, compiled."""

from __future__ import annotations

import math

import numpy as np

from kuntur.compiled.native import native
from kuntur.currency import HOME_COUNTRY_NUMBER, HOME_CURRENCY_NUMBER
from kuntur.features.kernel.columns import OF_TRANSACTION as TO
from kuntur.features.kernel.views import (
    ACCOUNT_TYPE,
    AGE,
    AMOUNT,
    BALANCE,
    CHANNEL,
    COUNTRY,
    CURRENCY,
    TYPE,
)
from kuntur.features.kernel.windows import ratio
from kuntur.records.layout import DAY_S, HOUR_S
from kuntur.transaction import UNSET_INT

_LAST_NIGHT_HOUR = 6


@native
def is_night(local_s):
    """Returns whether a local time is at night, from 0:00 to 6:59."""
    return local_s // HOUR_S % 24 <= _LAST_NIGHT_HOUR


@native
def write_transaction(ints, local_s, i, out):
    """Writes the features of a transaction by itself; returns the logarithm of its amount."""
    cents = ints[i, AMOUNT]
    amount = cents / 100.0
    hour = local_s // HOUR_S % 24
    weekday = (local_s // DAY_S + 3) % 7  # 1970-01-01 was a Thursday
    log_amount = math.log1p(max(amount, 0.0))
    balance, country = ints[i, BALANCE], ints[i, COUNTRY]
    out[i, TO.amount] = amount
    out[i, TO.log_amount] = log_amount
    out[i, TO.amount_is_round] = 1.0 if cents % 1000 == 0 else 0.0
    out[i, TO.amount_to_balance] = np.nan if balance == UNSET_INT else ratio(amount, balance / 100.0)
    out[i, TO.hour] = hour
    out[i, TO.weekday] = weekday
    out[i, TO.is_weekend] = 1.0 if weekday >= 5 else 0.0
    out[i, TO.is_night] = 1.0 if is_night(local_s) else 0.0
    out[i, TO.type] = np.nan if ints[i, TYPE] == 0 else ints[i, TYPE]
    out[i, TO.channel] = np.nan if ints[i, CHANNEL] == 0 else ints[i, CHANNEL]
    out[i, TO.account_type] = np.nan if ints[i, ACCOUNT_TYPE] == 0 else ints[i, ACCOUNT_TYPE]
    out[i, TO.account_age_days] = np.nan if ints[i, AGE] == UNSET_INT else ints[i, AGE]
    at_home = country == HOME_COUNTRY_NUMBER
    out[i, TO.is_cross_border] = np.nan if country == 0 else (0.0 if at_home else 1.0)
    out[i, TO.is_foreign_currency] = 0.0 if ints[i, CURRENCY] == HOME_CURRENCY_NUMBER else 1.0
    return log_amount
