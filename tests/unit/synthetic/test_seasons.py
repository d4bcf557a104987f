"""The Peruvian year in the rows: bonuses in July and December, CTS, Fiestas Patrias, Christmas."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest

from kuntur.transaction import Channel, TransactionType
from trainer.synthetic import SCENARIOS, SyntheticConfig, generate
from trainer.synthetic.calendar import DAY_US, rows_a_day, season_of
from trainer.synthetic.rows import Cause
from trainer.synthetic.schemes.incidents import starts_us

SIZE = {"transactions": 60_000, "accounts": 2_000, "merchants": 600, "days": 40, "fraud_rate": 0.02}
LOCAL_DAY = pl.col("event_time").dt.convert_time_zone("America/Lima").dt.date()


def made(start: date, *, seasons: bool = True) -> pl.DataFrame:
    settings = SCENARIOS["full"] | SIZE | {"start": start, "seasons": seasons}
    return generate(SyntheticConfig.model_validate(settings))


@pytest.mark.parametrize(
    ("day", "ordinary"),
    [
        (date(2024, 12, 20), False),
        (date(2024, 7, 20), False),
        (date(2024, 7, 12), False),
        (date(2024, 11, 15), False),
        (date(2024, 3, 15), True),
        (date(2024, 12, 27), True),
    ],
)
def test_which_days_are_of_a_season(day: date, ordinary: bool) -> None:
    season = season_of(day)
    assert (season == season_of(date(2024, 2, 6))) == ordinary
    assert season.bonus == (day.day in (12, 15) and not ordinary)
    assert min(season.rows, season.spending, season.pay, season.fraud) >= 1


def test_a_season_has_more_rows_of_the_same_total() -> None:
    start, total = date(2024, 12, 1), 100_000
    plain = rows_a_day(start, 31, total, seasons=False)
    seasonal = rows_a_day(start, 31, total, seasons=True)
    assert plain.sum() == seasonal.sum() == total
    assert seasonal[15:24].sum() > 1.1 * plain[15:24].sum()


@pytest.mark.parametrize(
    ("start", "first", "last"),
    [
        (date(2024, 11, 20), date(2024, 12, 16), date(2024, 12, 24)),
        (date(2024, 6, 20), date(2024, 7, 16), date(2024, 7, 29)),
    ],
    ids=["Christmas", "Fiestas Patrias"],
)
def test_purchases_are_larger_in_season_and_only_then(start: date, first: date, last: date) -> None:
    def medians(frame: pl.DataFrame) -> tuple[float, float]:
        bought = frame.filter(~pl.col("is_fraud") & (pl.col("type") == TransactionType.PURCHASE))
        inside = LOCAL_DAY.is_between(first, last)
        outside = first.replace(day=10) > LOCAL_DAY
        found = [bought.filter(part)["amount_minor"].median() for part in (inside, outside)]
        return float(str(found[0])), float(str(found[1]))

    inside, outside = medians(made(start))
    plain_inside, plain_outside = medians(made(start, seasons=False))
    assert inside > 1.05 * plain_inside
    assert outside == pytest.approx(plain_outside, rel=0.05)


@pytest.mark.parametrize(
    ("start", "bonus", "usual", "larger"),
    [
        (date(2024, 7, 1), date(2024, 7, 15), date(2024, 7, 31), 1.5),
        (date(2024, 5, 1), date(2024, 5, 15), date(2024, 5, 31), 1.2),
    ],
    ids=["gratificaciones", "CTS"],
)
def test_more_is_paid_in_when_a_bonus_is_due(start: date, bonus: date, usual: date, larger: float) -> None:
    paid_in = (pl.col("type") == TransactionType.DEPOSIT) & (pl.col("channel") != Channel.MOBILE)
    by_day = (
        made(start).filter(paid_in).group_by(LOCAL_DAY).agg(pl.len(), median=pl.col("amount_minor").median())
    )
    days = {day: (count, median) for day, count, median in by_day.rows()}
    assert days[bonus][1] > larger * days[usual][1]
    assert days[bonus][0] > 1.2 * days[usual][0]


def test_more_incidents_begin_in_season_and_by_the_trend_of_their_kind() -> None:
    start, number = date(2024, 11, 20), 20_000
    trend = {"push_payment": 3.0}
    settings = SCENARIOS["full"] | SIZE | {"start": start, "fraud_trend": trend}
    config = SyntheticConfig.model_validate(settings)
    seasonal, plain, rising = (
        np.bincount(starts_us(one, cause, number, np.random.default_rng(1)) // DAY_US, minlength=40)
        for one, cause in (
            (config, Cause.SIM_SWAP),
            (config.model_copy(update={"seasons": False}), Cause.SIM_SWAP),
            (config.model_copy(update={"seasons": False}), Cause.PUSH_PAYMENT),
        )
    )
    assert len(plain) == 40
    assert plain[0] == plain[38] == plain[39] == 0  # nothing begins on the first day and the last two
    assert seasonal[26:35].sum() > 1.15 * plain[26:35].sum()
    assert rising[28:38].sum() / rising[1:11].sum() == pytest.approx(2.66 / 1.29, rel=0.1)
