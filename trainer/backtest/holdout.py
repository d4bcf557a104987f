"""The newest labelled days of a fold, on which probabilities and thresholds are settled before the test.

How is `trainer.fitting.settled`'s.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from trainer.backtest.folds import Fold, History, Rows, unknown_rows
from trainer.fitting.settled import days_held_out
from trainer.settings.judging import BacktestSettings
from trainer.sources.split import TooLittleHistoryError

_DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Holdout:
    """What the first fit leaves out.

    first, start_us: row and moment at which the days begin; rows: int64, those of the days, without
    the cards that were known to be compromised, just as in the test; label: bool [len(rows)].
    """

    first: int
    start_us: int
    days: int
    rows: Rows
    label: npt.NDArray[np.bool_]


def newest_rows(
    fold: Fold, history: History, known: npt.NDArray[np.bool_], settings: BacktestSettings, delay_days: float
) -> Rows:
    """Returns the rows between a fold's training and its test, whose labels are not known by then, int64.

    known: bool [n], labels as known at the fold's test: cards known to be compromised leave, as in the test.
    None where they spread over less than a day.
    """
    rows = history.between(fold.train_end_us, fold.test_start_us)
    if fold.test_start_us - fold.train_end_us < _DAY_US:
        return rows[:0]
    if settings.remove_known:
        delay = math.ceil(delay_days)
        rows = rows[unknown_rows(history, known, rows, fold.train_start, settings.train_days, delay)]
    return rows


def hold_out(
    fold: Fold,
    history: History,
    known: npt.NDArray[np.bool_],
    settings: BacktestSettings,
    delay_days: float,
) -> Holdout:
    """Returns the newest days of a fold's training, a third of it at the most and at least one.

    known: bool [n], labels of all transactions as known at the fold's test. Raises TooLittleHistoryError
    where the days, or what they leave, have not both kinds of transactions.
    """
    calendar = history.calendar
    end = calendar.day_of(fold.train_end_us)
    learnt_days = (end - calendar.day_of(int(history.event_time_us[fold.training[0]]))).days
    days = int(days_held_out(settings.calibrate_days, learnt_days))
    start = end - timedelta(days=days)
    start_us = calendar.midnight_us(start)
    rows = history.between(start_us, fold.train_end_us)
    rows = rows[rows >= fold.training[0]]
    first = int(rows[0]) if len(rows) else int(fold.training[-1])
    if settings.remove_known:
        delay = math.ceil(delay_days)
        protocol_start = start - timedelta(days=settings.train_days + delay)
        rows = rows[unknown_rows(history, known, rows, protocol_start, settings.train_days, delay)]
    before = known[int(fold.training[0]) : first]
    for name, label, remedy in (
        ("calibration", known[rows], "backtest.calibrate_days"),
        ("first fit", before, "split.training_days"),
    ):
        frauds = int(label.sum())
        if frauds in (0, len(label)):
            raise TooLittleHistoryError(
                f"the {name} of the fold that starts on {fold.train_start} has {len(label):,} transactions "
                f"of which {frauds:,} are known frauds; both kinds are needed: choose later starts or raise "
                f"{remedy}"
            )
    return Holdout(first, start_us, days, rows, known[rows])
