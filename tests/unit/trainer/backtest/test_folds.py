"""Folds and the cards that leave them, against an oracle that goes through the rows one by one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.examples import examples
from trainer.backtest.calendar import Calendar
from trainer.backtest.folds import Fold, History, cut_folds
from trainer.settings.data import SplitSettings
from trainer.settings.judging import BacktestSettings
from trainer.sources.split import TooLittleHistoryError

FIRST, ZONE = date(2024, 3, 1), "America/Lima"
SPLIT = SplitSettings(warm_up_days=0)


def moment_us(day: int, hour: float = 12, zone: str = ZONE) -> int:
    start = datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=ZoneInfo(zone))
    at = (start + timedelta(days=day, hours=hour)).astimezone(UTC)
    return round(at.timestamp() * 1_000_000)


def history(rows: list[tuple[int, float, int, bool]], zone: str = ZONE) -> History:
    """rows: day, hour, account, fraud."""
    rows = sorted(rows, key=lambda row: row[:2])
    times = np.array([moment_us(day, hour, zone) for day, hour, _, _ in rows], dtype=np.int64)
    return History(
        event_time_us=times,
        account=np.array([row[2] for row in rows], dtype=np.int64),
        is_fraud=np.array([row[3] for row in rows], dtype=np.bool_),
        known_until_us=int(times[-1]) + 1,
        calendar=Calendar(zone),
    )


def every_day(days: int, frauds: dict[tuple[int, int], bool] | None = None) -> History:
    """Four accounts with one transaction a day each; account 3 is defrauded each day."""
    given = frauds or {}
    return history(
        [
            (day, account, account, account == 3 or (day, account) in given)
            for day in range(days)
            for account in range(4)
        ]
    )


def folds_of(told: History, split: SplitSettings = SPLIT, delay: float = 2, **changes: object) -> list[Fold]:
    fields = {"train_start": [FIRST], "train_days": 3, "test_days": 2, "remove_known": False} | changes
    return cut_folds(told, BacktestSettings.model_validate(fields), split, delay)


def slow_test(told: History, start: int, train_days: int, delay: int, test_days: int) -> list[int]:
    """The protocol in words, row by row, in local dates."""
    zone = ZoneInfo(told.calendar.zone)
    days = [
        (datetime.fromtimestamp(int(us) // 1_000_000, zone).date() - FIRST).days for us in told.event_time_us
    ]
    kept = []
    for row, day in enumerate(days):
        test_day = day - start - train_days - delay
        if not 0 <= test_day < test_days:
            continue
        known = any(
            told.is_fraud[other]
            and told.account[other] == told.account[row]
            and start <= days[other] <= start + train_days + test_day - 1
            for other in range(len(days))
        )
        if not known:
            kept.append(row)
    return kept


@examples(150)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 13), st.floats(0, 23.99), st.integers(0, 5), st.booleans()),
        min_size=1,
        max_size=50,
    ),
    start=st.integers(0, 3),
    train_days=st.integers(1, 3),
    delay=st.integers(0, 3),
    zone=st.sampled_from([ZONE, "UTC", "Asia/Tokyo"]),
)
def test_the_test_rows_are_those_of_the_oracle(
    rows: list[tuple[int, float, int, bool]], start: int, train_days: int, delay: int, zone: str
) -> None:
    # Rows at both ends, so that the fold lies within the data, and a fraud and a legitimate row to judge by.
    last = start + train_days + delay + 1
    told = history(
        [*rows, (0, 0, 6, False), (13, 23, 6, False), (last, 1, 7, True), (last, 2, 8, False)], zone
    )
    (fold,) = folds_of(
        told,
        delay=delay,
        train_start=[FIRST + timedelta(days=start)],
        train_days=train_days,
        remove_known=True,
    )
    assert fold.test.tolist() == slow_test(told, start, train_days, delay, 2)


def test_training_ends_before_the_label_delay_and_reaches_back_to_the_warm_up() -> None:
    told = every_day(30)
    (fold,) = folds_of(told, SplitSettings(warm_up_days=4), train_start=[FIRST + timedelta(days=10)])
    assert told.event_time_us[fold.training[0]] >= told.event_time_us[0] + 4 * 86_400_000_000
    assert fold.training[-1] == 13 * 4 - 1
    assert fold.test.tolist() == list(range(15 * 4, 17 * 4))
    assert fold.test_day.tolist() == [0] * 4 + [1] * 4


def test_training_days_bound_what_is_learnt_from() -> None:
    split = SplitSettings(warm_up_days=0, training_days=2)
    (fold,) = folds_of(every_day(30), split, train_start=[FIRST + timedelta(days=10)])
    assert fold.training.tolist() == list(range(11 * 4, 13 * 4))


def test_a_delay_of_part_of_a_day_counts_as_the_whole_day() -> None:
    assert folds_of(every_day(30), delay=1.2)[0].test_start == FIRST + timedelta(days=5)


def test_a_card_leaves_the_test_a_delay_and_a_day_after_its_fraud() -> None:
    # Test days are 5 and 6. Of day 6 the frauds of day 3 are known, of day 5 those of day 2.
    told = every_day(30, {(3, 1): True, (4, 2): True, (6, 0): True})
    (fold,) = folds_of(told, remove_known=True, train_start=[FIRST])
    kept = {
        (int(day), int(account)) for day, account in zip(fold.test_day, told.account[fold.test], strict=True)
    }
    assert kept == {(0, 0), (0, 1), (0, 2), (1, 0), (1, 2)}


def test_newest_folds_are_taken_whose_labels_had_time_to_arrive() -> None:
    told = every_day(30)
    starts = [fold.train_start for fold in folds_of(told, train_start=[], folds=2)]
    # Known until day 29: the frauds of day 27 are the newest that are complete, days 26 and 27 the last test.
    assert starts == [FIRST + timedelta(days=day) for day in (19, 21)]


def test_a_day_whose_labels_are_not_there_yet_is_not_tested() -> None:
    told = every_day(30)
    at_midnight = replace(told, known_until_us=told.calendar.midnight_us(FIRST + timedelta(days=29)))
    # Two days of delay: of day 27 nothing is known yet.
    assert folds_of(at_midnight, train_start=[], folds=1)[0].test[-1] == 27 * 4 - 1


def test_with_labels_of_later_the_last_day_is_tested_too() -> None:
    told = every_day(30)
    later = History(
        told.event_time_us,
        told.account,
        told.is_fraud,
        told.known_until_us + 9 * 86_400_000_000,
        told.calendar,
    )
    assert folds_of(later, train_start=[], folds=1)[0].test[-1] == 30 * 4 - 1


@pytest.mark.parametrize("start", [-1, 24])
def test_a_fold_outside_the_data_is_told_with_what_is_possible(start: int) -> None:
    with pytest.raises(TooLittleHistoryError, match="may start from 2024-03-01 to 2024-03-24"):
        folds_of(every_day(30), train_start=[FIRST + timedelta(days=start)])


def test_data_too_short_for_a_fold_are_told() -> None:
    with pytest.raises(TooLittleHistoryError, match="too short for any fold"):
        folds_of(every_day(5))


def test_a_test_without_fraud_is_told() -> None:
    told = history([(day, 1, 0, False) for day in range(30)])
    with pytest.raises(TooLittleHistoryError, match="of which 0 are frauds"):
        folds_of(told)


def test_a_fold_within_the_warm_up_is_told() -> None:
    with pytest.raises(TooLittleHistoryError, match="nothing to learn from"):
        folds_of(every_day(30), SplitSettings(warm_up_days=7), train_start=[FIRST])


def test_a_start_given_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="names a day twice"):
        BacktestSettings.model_validate({"train_start": [FIRST, FIRST]})


def test_days_begin_at_local_midnight_also_when_clocks_change() -> None:
    santiago = Calendar("America/Santiago")  # 2024-09-08 begins at 01:00: midnight is skipped
    midnights = santiago.midnights_us(date(2024, 9, 7), 3)
    assert (np.diff(midnights) // 3_600_000_000).tolist() == [24, 23, 24]
    assert santiago.day_of(int(midnights[1])) == date(2024, 9, 8)
    assert santiago.day_of(int(midnights[1]) - 1) == date(2024, 9, 7)
