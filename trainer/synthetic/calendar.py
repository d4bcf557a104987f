"""Days of the synthetic bank: pay days, and seasons of the Peruvian year.

- gratificaciones: a salary more, paid by 15 July and 15 December;
- CTS, half a salary, paid by 15 May and 15 November;
- Fiestas Patrias at the end of July, and the weeks before Christmas: more purchases, larger ones, more fraud.

The dates are those of the law, the sizes plausible, not measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from trainer.synthetic.rows import Array

DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Season:
    """What a time of the year changes, as factors.

    rows: transactions a day; spending: amounts of purchases; pay: amounts paid in; fraud: incidents that
    begin; bonus: whether more people are paid than on other such days.
    """

    rows: float = 1.0
    spending: float = 1.0
    pay: float = 1.0
    fraud: float = 1.0
    bonus: bool = False


_ORDINARY = Season()
_GRATIFICACION = Season(rows=1.1, spending=1.1, pay=1.9, fraud=1.15, bonus=True)
_CTS = Season(rows=1.03, spending=1.03, pay=1.4, fraud=1.05, bonus=True)
_FIESTAS_PATRIAS = Season(rows=1.12, spending=1.15, fraud=1.2)
_CHRISTMAS = Season(rows=1.3, spending=1.3, fraud=1.4)


def season_of(day: date) -> Season:
    """Returns what the time of the year changes on a day."""
    if day.month in (7, 12) and 10 <= day.day <= 15:
        return _GRATIFICACION
    if day.month in (5, 11) and 10 <= day.day <= 15:
        return _CTS
    if day.month == 7 and 16 <= day.day <= 29:
        return _FIESTAS_PATRIAS
    if day.month == 12 and 16 <= day.day <= 24:
        return _CHRISTMAS
    return _ORDINARY


def days_of(start: date, first: int, count: int) -> list[date]:
    """Returns days in a row, the first that many days after the start."""
    return [start + timedelta(days=first + number) for number in range(count)]


def is_payday(day: date) -> bool:
    """Says whether salaries are paid: on the 15th and on the last day of the month."""
    return day.day == 15 or (day + timedelta(days=1)).day == 1


def rows_a_day(start: date, days: int, total: int, *, seasons: bool) -> Array:
    """Returns how many of `total` rows fall on each day (int64 [days]): weekends and pay days are busier."""
    weekday = [0.93, 0.92, 0.95, 0.98, 1.12, 1.18, 0.92]
    dates = days_of(start, 0, days)
    weight = np.array([weekday[day.weekday()] * (1.25 if is_payday(day) else 1.0) for day in dates])
    if seasons:
        weight = weight * np.array([season_of(day).rows for day in dates])
    edges = np.round(np.cumsum(weight) / weight.sum() * total).astype(np.int64)
    return np.diff(edges, prepend=0)
