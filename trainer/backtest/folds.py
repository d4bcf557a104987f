"""Where folds are cut: what each may learn from, what it is judged on, and which cards leave the test.

    history ──▶ train_start ── train_days ──▶ end of training ── label delay ──▶ test_start ── test_days ──▶

Knows nothing of models. The protocol is that of the Fraud Detection Handbook (Le Borgne and others, 2022):
the model stands at the start of the test, and the newest labels that are complete then are one delay old.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from trainer.backtest.calendar import Calendar
from trainer.settings.data import SplitSettings
from trainer.settings.judging import BacktestSettings
from trainer.sources.split import TooLittleHistoryError

_DAY_US = 86_400_000_000
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class History:
    """What cutting needs to know of all transactions, in event order.

    event_time_us: int64 [n]; account: int64 [n], a number for each account; is_fraud: bool [n], as it is
    known in the end; known_until_us: the moment of that end; calendar: whose days are meant; recognised: bool
    [n], the frauds that the bank came to know, None where these are all.
    """

    event_time_us: npt.NDArray[np.int64]
    account: npt.NDArray[np.int64]
    is_fraud: npt.NDArray[np.bool_]
    known_until_us: int
    calendar: Calendar
    recognised: npt.NDArray[np.bool_] | None = None

    def between(self, start_us: int, end_us: int) -> Rows:
        """Returns the numbers of the rows from a moment to before another."""
        first, last = np.searchsorted(self.event_time_us, [start_us, end_us])
        return np.arange(first, last, dtype=np.int64)

    def day_number(self, rows: Rows, first: date, days: int) -> npt.NDArray[np.int64]:
        """Returns the day of rows that lie within `days` days from the first on, counted from 0."""
        midnights = self.calendar.midnights_us(first, days)
        return np.searchsorted(midnights, self.event_time_us[rows], side="right") - 1


@dataclass(frozen=True, slots=True)
class Fold:
    """One round: what is learnt from, with labels as known at test_start_us, and what judges.

    number: from 1 in order of time; training, test: int64, numbers of rows in event order; test_day: int64
    [len(test)], from 0; removed: transactions of the test days that left with a card known to be compromised.
    """

    number: int
    train_start: date
    test_start: date
    training: Rows
    test: Rows
    test_day: npt.NDArray[np.int64]
    removed: int
    train_start_us: int
    train_end_us: int
    test_start_us: int
    test_end_us: int


def cut_folds(
    history: History, settings: BacktestSettings, split: SplitSettings, delay_days: float
) -> list[Fold]:
    """Cuts the folds that the settings name, in order of time.

    delay_days: rounded up to whole days. Raises TooLittleHistoryError for a fold that does not lie within the
    data, or that has not both kinds of transactions.
    """
    if not len(history.event_time_us):
        raise TooLittleHistoryError("the data hold no transaction")
    delay = math.ceil(delay_days)
    starts = settings.train_start or _newest(history, settings, delay)
    return [_cut(number, start, history, settings, split, delay) for number, start in enumerate(starts, 1)]


def unknown_rows(
    history: History, label: npt.NDArray[np.bool_], rows: Rows, first_day: date, train_days: int, delay: int
) -> npt.NDArray[np.bool_]:
    """Tells which rows are of cards that were not known to be compromised, bool [len(rows)].

    label: bool [n], of all transactions; rows: of days that begin train_days + delay after first_day. On a
    day a card is known when it had a fraud from first_day on until a delay and a day before.
    """
    if not len(rows):
        return np.zeros(0, dtype=np.bool_)
    last = history.calendar.day_of(int(history.event_time_us[rows[-1]]))
    days = (last - first_day).days + 1
    seen = history.between(history.calendar.midnight_us(first_day), int(history.event_time_us[rows[-1]]) + 1)
    frauds = seen[label[seen]]
    first_fraud = np.full(int(history.account.max()) + 1, np.iinfo(np.int64).max)
    np.minimum.at(first_fraud, history.account[frauds], history.day_number(frauds, first_day, days))
    horizon = np.maximum(history.day_number(rows, first_day, days) - delay - 1, train_days - 1)
    unknown: npt.NDArray[np.bool_] = first_fraud[history.account[rows]] > horizon
    return unknown


def _newest(history: History, settings: BacktestSettings, delay: int) -> tuple[date, ...]:
    """Returns the starts of the newest folds whose test is whole and whose labels had time to arrive."""
    calendar = history.calendar
    times, known_us = history.event_time_us, history.known_until_us - delay * _DAY_US
    # The first transaction without its label in time begins a day that cannot be tested.
    unknown = int(np.searchsorted(times, known_us, side="right"))
    last_day = calendar.day_of(int(times[-1]))
    end = calendar.day_of(int(times[unknown])) if unknown < len(times) else last_day + timedelta(days=1)
    whole = timedelta(days=settings.train_days + delay)
    tests = (end - timedelta(days=settings.test_days * (back + 1)) for back in range(settings.folds))
    return tuple(sorted(start - whole for start in tests))


def _cut(
    number: int, start: date, history: History, settings: BacktestSettings, split: SplitSettings, delay: int
) -> Fold:
    calendar = history.calendar
    test_start = start + timedelta(days=settings.train_days + delay)
    train_end_us = calendar.midnight_us(start + timedelta(days=settings.train_days))
    test_start_us = calendar.midnight_us(test_start)
    test_end_us = calendar.midnight_us(test_start + timedelta(days=settings.test_days))
    _require_within(start, test_start, history, settings, delay)
    learnt_from = int(history.event_time_us[0]) + round(split.warm_up_days * _DAY_US)
    if split.training_days is not None:
        learnt_from = max(learnt_from, train_end_us - round(split.training_days * _DAY_US))
    training = history.between(learnt_from, train_end_us)
    if not len(training):
        raise TooLittleHistoryError(
            f"the fold that starts on {start} has nothing to learn from: its training ends before the "
            f"{split.warm_up_days:g} days of split.warm_up_days; start later or lower that"
        )
    rows = history.between(test_start_us, test_end_us)
    kept = np.ones(len(rows), dtype=np.bool_)
    if settings.remove_known:
        known = history.is_fraud if history.recognised is None else history.recognised
        kept = unknown_rows(history, known, rows, start, settings.train_days, delay)
    test = rows[kept]
    frauds = int(history.is_fraud[test].sum())
    if frauds in (0, len(test)):
        raise TooLittleHistoryError(
            f"the test of the fold that starts on {start}, {settings.test_days} days from {test_start}, has "
            f"{len(test):,} transactions of which {frauds:,} are frauds (cards known to be compromised left "
            "out); both kinds are needed: choose other starts, or raise backtest.test_days"
        )
    return Fold(
        number=number,
        train_start=start,
        test_start=test_start,
        training=training,
        test=test,
        test_day=history.day_number(test, test_start, settings.test_days),
        removed=len(rows) - len(test),
        train_start_us=calendar.midnight_us(start),
        train_end_us=train_end_us,
        test_start_us=test_start_us,
        test_end_us=test_end_us,
    )


def _require_within(
    start: date, test_start: date, history: History, settings: BacktestSettings, delay: int
) -> None:
    calendar = history.calendar
    first, last = (calendar.day_of(int(history.event_time_us[place])) for place in (0, -1))
    end = test_start + timedelta(days=settings.test_days)
    if start >= first and end <= last + timedelta(days=1):
        return
    needed = settings.train_days + delay + settings.test_days
    latest = last + timedelta(days=1 - needed)
    possible = f"it may start from {first} to {latest}" if latest >= first else "too short for any fold"
    raise TooLittleHistoryError(
        f"the fold that starts on {start} lasts until {end - timedelta(days=1)}: {settings.train_days} days "
        f"of training, {delay} of label delay, {settings.test_days} of test. Data are of {first} to {last}: "
        f"{possible}. Name other starts, ask for fewer folds, or lower backtest.train_days or test_days"
    )
