"""The one history that features are pinned to: integers from a counter, so that no library changes it.

It has what a feature may hang on: busy and rare entities, entities that come back after each window has
passed, late transactions, such as are looked at without being counted, fields that are not given, reports of
both kinds, and reports that are taken back.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kuntur.currency import COUNTRY_NUMBER, CURRENCY_NUMBER
from kuntur.transaction import UNSET_INT, FloatColumn, IntColumn, KeyColumn, OutcomeBatch, TransactionBatch

ROWS = 3_000
_DAYS = 75
_BEGIN_S = 1_709_251_200  # 2024-03-01: the clocks of Europe, Australia and Chile change soon after it
_LATE_BY_S = 40 * 86_400  # at most; behind all rings
_COUNTRIES = np.array([COUNTRY_NUMBER[code] for code in ("PE", "CL", "US", "CO", "BR", "ES")])
_CURRENCIES = np.array([CURRENCY_NUMBER[code] for code in ("PEN", "PEN", "USD", "EUR")])
Numbers = npt.NDArray[np.int64]


class History(NamedTuple):
    """Transactions in the order in which they come, and what is reported of them."""

    batch: TransactionBatch
    outcomes: OutcomeBatch


def _mixed(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Spreads numbers over 64 bits; the steps are those of SplitMix64."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


class _Chance:
    """Numbers that look random, the same ones for ever."""

    def __init__(self, rows: int) -> None:
        self._rows, self._drawn = rows, 0

    def below(self, limit: int) -> Numbers:
        """Returns numbers from 0 to below a limit, int64 [rows]."""
        self._drawn += 1
        places = np.arange(self._rows, dtype=np.uint64) + np.uint64(self._drawn << 32)
        return ((_mixed(places) >> np.uint64(33)) % np.uint64(limit)).astype(np.int64)

    def in_hundred(self, percent: int) -> npt.NDArray[np.bool_]:
        """Returns which rows are among so many of a hundred."""
        return self.below(100) < percent

    def crowded(self, limit: int) -> Numbers:
        """Returns numbers from 1 to a limit, the lower the more often."""
        return self.below(limit) * self.below(limit) * self.below(limit) // limit**2 + 1


def golden_history() -> History:
    """Makes the history."""
    chance = _Chance(ROWS)
    batch = _transactions(chance)
    return History(batch, _outcomes(chance, batch))


def _transactions(chance: _Chance) -> TransactionBatch:
    account, merchant = chance.crowded(60), chance.crowded(40)
    keys = np.zeros((ROWS, len(KeyColumn)), dtype=np.uint64)
    given = {
        KeyColumn.TRANSACTION: np.arange(1, ROWS + 1),
        KeyColumn.ACCOUNT: np.where(chance.in_hundred(1), 0, account),
        KeyColumn.MERCHANT: np.where(chance.in_hundred(15), 0, merchant),
        KeyColumn.DEVICE: np.where(chance.in_hundred(25), 0, account + chance.below(3)),
        KeyColumn.CATEGORY: np.where(chance.in_hundred(10), 0, merchant % 7 + 1),
        KeyColumn.COUNTERPARTY: np.where(chance.in_hundred(60), 0, chance.crowded(50)),
    }
    for column, numbers in given.items():
        spread = _mixed(numbers.astype(np.uint64) + np.uint64(column << 40))
        keys[:, column] = np.where(numbers == 0, np.uint64(0), spread)

    # Some come within seconds of each other, many within hours, some after weeks of silence.
    time_s = np.sort(chance.below(_DAYS * 86_400))
    time_s -= np.where(chance.in_hundred(30), time_s % 1_800, 0)
    time_s = np.where((time_s > 35 * 86_400) & (time_s < 50 * 86_400), time_s % 7_200 + 50 * 86_400, time_s)
    time_s = np.sort(time_s) + _BEGIN_S
    late_by = chance.below(_LATE_BY_S) >> chance.below(16)
    time_s -= np.where(chance.in_hundred(6), late_by, 0)
    ints = np.zeros((ROWS, len(IntColumn)), dtype=np.int64)
    ints[:, IntColumn.EVENT_TIME_US] = time_s * 1_000_000 + chance.below(1_000_000)
    cents = (chance.below(1_000) + 1) << chance.below(12)
    ints[:, IntColumn.AMOUNT_CENTS] = np.where(chance.in_hundred(20), cents // 1_000 * 1_000, cents)
    balance = chance.below(3_000_000) - 100_000
    ints[:, IntColumn.BALANCE_CENTS] = np.where(chance.in_hundred(30), UNSET_INT, balance)
    ints[:, IntColumn.TYPE] = chance.below(8)
    ints[:, IntColumn.CHANNEL] = chance.below(9)
    ints[:, IntColumn.ACCOUNT_TYPE] = chance.below(7)
    ints[:, IntColumn.ACCOUNT_AGE_DAYS] = np.where(chance.in_hundred(30), UNSET_INT, chance.below(9_000))
    country = _COUNTRIES[chance.below(6) * chance.below(6) // 6]
    ints[:, IntColumn.COUNTRY] = np.where(chance.in_hundred(20), 0, country)
    ints[:, IntColumn.CURRENCY] = _CURRENCIES[chance.below(4)]
    ints[:, IntColumn.COUNTED] = np.where(chance.in_hundred(3), 0, 1)
    floats = np.empty((ROWS, len(FloatColumn)), dtype=np.float64)
    floats[:, FloatColumn.LATITUDE] = -chance.below(18_000) / 1_000
    floats[:, FloatColumn.LONGITUDE] = -69 - chance.below(12_000) / 1_000
    floats[chance.in_hundred(40)] = np.nan
    trust = np.where(chance.in_hundred(50), np.nan, chance.below(1_000) / 1_000)
    return TransactionBatch(keys, ints, floats, {"device_trust": trust})


def _outcomes(chance: _Chance, batch: TransactionBatch) -> OutcomeBatch:
    """Reports half of the transactions, frauds in episodes, and some again, with another result."""
    time_us = batch.ints[:, IntColumn.EVENT_TIME_US]
    delay_us = (chance.below(20 * 86_400) >> chance.below(10)) * 1_000_000
    merchant = batch.keys[:, KeyColumn.MERCHANT].view(np.int64)
    episode = (time_us // (9 * 86_400_000_000) + merchant % 5) % 5 == 0
    frauds = np.where(episode, chance.in_hundred(60), chance.in_hundred(4))
    reported, again = np.flatnonzero(chance.in_hundred(50)), np.flatnonzero(chance.in_hundred(4))
    rows = np.concatenate([reported, again])
    times = np.concatenate([(time_us + delay_us)[reported], (time_us + delay_us)[again] + 5 * 86_400_000_000])
    is_fraud = np.concatenate([frauds[reported], ~frauds[again]])
    return OutcomeBatch(batch.keys[rows], times, is_fraud)
