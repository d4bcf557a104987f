from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.settings.data import SplitSettings
from trainer.sources.split import Split, TooLittleHistoryError, cut, iso

DAY_US = 86_400_000_000
START_US = 1_700_000_000_000_000


def days(*numbers: float) -> np.ndarray:
    return START_US + np.round(np.array(numbers) * DAY_US).astype(np.int64)


def cut_days(span: int, until: float, delay: float, **settings: float) -> Split:
    return cut(days(*range(span)), int(days(until)[0]), SplitSettings(**settings), delay)


def test_windows_lie_one_behind_the_other_with_the_label_delay_between() -> None:
    split = cut_days(100, 100, 5, select_days=6, calibrate_days=4, test_days=3, warm_up_days=7)
    assert split.train.tolist() == list(range(7, 77))
    assert split.select.tolist() == list(range(82, 88))
    assert split.calibrate.tolist() == list(range(88, 92))
    assert split.test.tolist() == list(range(92, 95))


def test_a_moment_on_a_boundary_belongs_to_the_later_window() -> None:
    split = cut_days(100, 100, 5, select_days=6, calibrate_days=4, test_days=3)
    for start_us, day, earlier, later in (
        (split.calibrate_start_us, 88, split.select, split.calibrate),
        (split.test_start_us, 92, split.calibrate, split.test),
    ):
        assert start_us == START_US + day * DAY_US
        assert day in later
        assert day not in earlier


def test_training_days_bound_what_is_learnt_from() -> None:
    assert cut_days(100, 100, 5, training_days=20).train.tolist() == list(range(49, 69))


def test_training_days_beyond_the_history_change_nothing() -> None:
    assert cut_days(100, 100, 5, training_days=500).train.tolist() == cut_days(100, 100, 5).train.tolist()


def test_warm_up_days_are_not_learnt_from() -> None:
    assert cut_days(100, 100, 5, warm_up_days=30).train[0] == 30
    assert cut_days(100, 100, 5, warm_up_days=0).train[0] == 0


def test_too_little_history_says_what_there_is_what_is_needed_and_what_to_change() -> None:
    with pytest.raises(TooLittleHistoryError) as caught:
        cut_days(20, 20, 5, select_days=6, calibrate_days=4, test_days=3, warm_up_days=7)
    message = str(caught.value)
    assert "span 20.0 days" in message
    assert "need 30.0" in message  # 7 + 6 + 4 + 3 + 2 × 5
    for setting in ("select_days", "calibrate_days", "test_days", "warm_up_days", "label_delay_days"):
        assert f"split.{setting}" in message
    assert f"newest transaction is of {iso(int(days(19)[0]))}; if that is wrong, give --until" in message


def test_no_transaction_at_all_is_too_little_history() -> None:
    with pytest.raises(TooLittleHistoryError, match=r"span 0\.0 days"):
        cut(np.zeros(0, dtype=np.int64), START_US, SplitSettings(), 5)


def test_moments_are_told_in_utc() -> None:
    assert iso(1_533_081_600_000_000) == "2018-08-01T00:00:00+00:00"


@given(
    offsets=st.lists(st.floats(0, 200), min_size=1, max_size=60).map(sorted),
    until=st.floats(1, 220),
    delay=st.floats(0, 30),
    judging=st.tuples(st.floats(0.5, 15), st.floats(0.5, 15), st.floats(0.5, 15)),
    warm_up=st.floats(0, 30),
    training=st.none() | st.floats(0.5, 100),
)
def test_no_window_overlaps_another_and_labels_have_time_to_arrive(
    offsets: list[float],
    until: float,
    delay: float,
    judging: tuple[float, float, float],
    warm_up: float,
    training: float | None,
) -> None:
    select, calibrate, test = judging
    settings = SplitSettings(
        select_days=select,
        calibrate_days=calibrate,
        test_days=test,
        warm_up_days=warm_up,
        training_days=training,
    )
    times, until_us, delay_us = days(*offsets), int(days(until)[0]), round(delay * DAY_US)
    try:
        split = cut(times, until_us, settings, delay)
    except TooLittleHistoryError:
        return
    rows = np.concatenate([split.train, split.select, split.calibrate, split.test])
    assert len(np.unique(rows)) == len(rows)
    assert rows.tolist() == sorted(rows.tolist())
    assert (times[split.train] >= times[0] + round(warm_up * DAY_US)).all()
    assert (times[split.train] + delay_us < split.select_start_us).all()
    assert (times[split.select] < split.calibrate_start_us).all()
    assert (times[split.calibrate] < split.test_start_us).all()
    assert (times[split.test] + delay_us < until_us).all()
    if training is not None:
        assert split.train_end_us - split.train_start_us <= round(training * DAY_US)
