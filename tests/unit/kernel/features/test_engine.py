from __future__ import annotations

import numpy as np
import pytest

from kuntur.features import CATALOGUE, FEATURE_NAMES, FeatureEngine, FeatureSelection
from kuntur.features.label_changes import LabelChanges
from kuntur.transaction import IntColumn, KeyColumn, OutcomeBatch
from tests.property.histories import HOUR_US, bits, keys_of, make_history
from tests.property.oracle import Oracle, assert_matches


def test_thousands_of_rows_with_outcomes_give_what_the_oracle_says() -> None:
    batch, outcomes = make_history(4_000, 1, days=70, accounts=40)
    features = FeatureEngine().replay(batch, outcomes)
    assert_matches(features, Oracle().replay(batch, outcomes))
    assert np.nanmax(features[:, FEATURE_NAMES.index("merchant_fraud_count_30d")]) > 0


def test_late_rows_with_outcomes_give_what_the_oracle_says() -> None:
    batch, outcomes = make_history(3_000, 13, days=70, accounts=40, late_share=0.05)
    features = FeatureEngine().replay(batch, outcomes)
    assert_matches(features, Oracle().replay(batch, outcomes))
    known = batch.keys[:, KeyColumn.MERCHANT] != 0
    assert np.isnan(features[known, FEATURE_NAMES.index("merchant_fraud_count_1d")]).any()


def test_reports_that_a_late_transaction_cannot_see_any_more_are_unset_not_none() -> None:
    batch, _ = make_history(1, 14)
    batch.keys[:] = 5
    batch.ints[:, IntColumn.COUNTED] = 0
    day = 20_000 * 24
    engine = FeatureEngine()
    for hour in (day + 1, day + 60):
        engine.report(OutcomeBatch(batch.keys, np.array([hour * HOUR_US]), np.array([True])))

    def seen(hour: int) -> list[float]:
        batch.ints[:, IntColumn.EVENT_TIME_US] = hour * HOUR_US
        row = engine.process(batch)[0]
        return [float(row[FEATURE_NAMES.index(f"merchant_fraud_count_{days}d")]) for days in (1, 7, 30)]

    assert seen(day + 61) == [1, 2, 2]
    assert seen(day + 59) == [0, 1, 1]
    np.testing.assert_array_equal(seen(day + 58), [np.nan, 1, 1])
    np.testing.assert_array_equal(seen(day + 3), [np.nan] * 3)


def test_a_transaction_minutes_late_across_midnight_sees_every_label_window() -> None:
    batch, _ = make_history(1, 16)
    batch.keys[:] = 5
    batch.ints[:, IntColumn.COUNTED] = 0
    midnight = 20_000 * 24
    engine = FeatureEngine()
    for hour in (midnight - 30, midnight):
        engine.report(OutcomeBatch(batch.keys, np.array([hour * HOUR_US]), np.array([True])))
    batch.ints[:, IntColumn.EVENT_TIME_US] = midnight * HOUR_US - 1
    row = engine.process(batch)[0]
    counts = [row[FEATURE_NAMES.index(f"merchant_fraud_count_{days}d")] for days in (1, 7, 14, 30)]
    assert counts == [0, 1, 1, 1]
    assert row[FEATURE_NAMES.index("merchant_days_since_fraud")] == 1


def test_an_episode_of_frauds_has_an_age_and_ends_with_a_legitimate_outcome() -> None:
    batch, _ = make_history(1, 17)
    batch.keys[:] = 5
    batch.ints[:, IntColumn.COUNTED] = 0
    names = ("since_fraud", "since_first_fraud", "since_legitimate")
    columns = [FEATURE_NAMES.index(f"merchant_days_{name}") for name in names]
    more = ("fraud_share_since_first", "fraud_run", "fraud_run_days")
    columns += [FEATURE_NAMES.index(f"merchant_{name}") for name in more]
    engine, first_day = FeatureEngine(), 20_000

    def after(day: int, *frauds: bool) -> np.ndarray:
        keys, told = np.repeat(batch.keys, len(frauds), axis=0), np.array(frauds, dtype=np.bool_)
        keys[:, KeyColumn.TRANSACTION] = np.arange(len(frauds)) + 10 * day
        engine.report(OutcomeBatch(keys, np.full(len(frauds), (first_day + day) * 24 * HOUR_US), told))
        batch.ints[:, IntColumn.EVENT_TIME_US] = ((first_day + day) * 24 + 1) * HOUR_US
        return engine.process(batch)[0, columns]

    nan = np.nan
    np.testing.assert_allclose(after(0, False), [nan, nan, 0, nan, 0, nan])
    np.testing.assert_allclose(after(2, True, True), [0, 0, 2, 1, 2, 0])
    np.testing.assert_allclose(after(5, True), [0, 3, 5, 1, 3, 3])
    np.testing.assert_allclose(after(9, False), [4, 7, 0, 0.75, 0, nan])
    np.testing.assert_allclose(after(12, True), [0, 10, 3, 0.8, 1, 0])
    np.testing.assert_allclose(after(33), [21, 28, 24, 2 / 3, 1, 21])
    np.testing.assert_allclose(after(60), [nan, nan, nan, nan, 0, nan])


def _spent(*amounts: float) -> dict[str, float]:
    batch, _ = make_history(len(amounts), 18)
    batch.keys[:] = 5
    batch.ints[:, IntColumn.EVENT_TIME_US] = 20_000 * 24 * HOUR_US + np.arange(len(amounts))
    batch.ints[:, IntColumn.AMOUNT_CENTS] = [round(amount * 100) for amount in amounts]
    return dict(zip(FEATURE_NAMES, FeatureEngine().process(batch)[-1].tolist(), strict=True))


def test_a_fraud_of_any_size_moves_the_usual_amount_by_no_more_than_three_usual_ones() -> None:
    large, huge = _spent(10, 10, 10, 500, 10), _spent(10, 10, 10, 10**9, 10)
    assert large["account_usual_amount"] == huge["account_usual_amount"] == 15
    assert large["account_amount_to_usual"] == pytest.approx(10 / 15)
    assert large["account_mean_to_usual_24h"] == pytest.approx(132.5 / 15)


def test_an_account_that_began_with_nothing_gets_a_usual_amount_from_what_follows() -> None:
    assert _spent(0, 0, 0, 40, 40, 1)["account_usual_amount"] == 14


def test_hours_since_fraud_go_back_with_the_reports_that_were_taken_back() -> None:
    batch, _ = make_history(1, 15)
    batch.keys[:] = 5
    batch.ints[:, IntColumn.COUNTED] = 0
    batch.ints[:, IntColumn.EVENT_TIME_US] = 100 * HOUR_US
    engine, one = FeatureEngine(), np.ones(1, dtype=np.int8)
    columns = [FEATURE_NAMES.index(name) for name in ("account_fraud_count", "account_hours_since_fraud")]

    def changed(hour: int, sign: int) -> list[float]:
        times = np.array([hour * HOUR_US])
        engine.apply(LabelChanges(batch.keys, times, times, sign * one, sign * one))
        return [float(value) for value in engine.process(batch)[0, columns]]

    assert [changed(hour, 1) for hour in (10, 20, 30)] == [[1, 90], [2, 80], [3, 70]]
    assert changed(30, -1) == [2, 80]
    np.testing.assert_array_equal(changed(20, -1), [1, np.nan])
    assert changed(40, 1) == [2, 60]
    np.testing.assert_array_equal(changed(40, -1), [1, np.nan])
    np.testing.assert_array_equal(changed(10, -1), [0, np.nan])


def test_growth_of_the_tables_changes_nothing() -> None:
    batch, outcomes = make_history(60_000, 2, accounts=20_000)
    small, large = FeatureEngine(1), FeatureEngine(100_000)
    assert np.array_equal(bits(small.replay(batch, outcomes)), bits(large.replay(batch, outcomes)))
    assert small.counts == large.counts
    assert small.counts.entities["account"] > 5_000


def test_outcomes_in_any_order_give_the_same_bits() -> None:
    batch, outcomes = make_history(30_000, 3)
    shuffled = outcomes.rows(np.random.default_rng(1).permutation(len(outcomes)))
    assert np.array_equal(
        bits(FeatureEngine().replay(batch, outcomes)), bits(FeatureEngine().replay(batch, shuffled))
    )


def test_an_outcome_reported_early_in_its_hour_or_late_in_it_is_the_same() -> None:
    batch, _ = make_history(1_000, 4, days=2, accounts=5)
    hour = int(batch.ints[500, IntColumn.EVENT_TIME_US]) // HOUR_US
    reports = [
        OutcomeBatch(batch.keys[:1], np.array([hour * HOUR_US + at]), np.array([True]))
        for at in (0, HOUR_US - 1)
    ]
    first, last = (FeatureEngine().replay(batch, report) for report in reports)
    assert np.array_equal(bits(first), bits(last))
    seen = first[:, FEATURE_NAMES.index("account_fraud_count")] > 0
    hours = batch.ints[:, IntColumn.EVENT_TIME_US] // HOUR_US
    assert (hours[seen] > hour).all()
    assert seen.any()


LIMA, CUSCO, NOWHERE = (-12.0464, -77.0428), (-13.5320, -71.9675), (np.nan, np.nan)


def _journey(*stops: tuple[float, tuple[float, float]]) -> np.ndarray:
    """Returns the features of one account at (hours since midnight, position)."""
    batch, _ = make_history(len(stops), 10)
    batch.keys[:] = 5
    batch.ints[:, IntColumn.EVENT_TIME_US] = [round(hours * HOUR_US) for hours, _ in stops]
    batch.floats[:] = [position for _, position in stops]
    return FeatureEngine().process(batch)


def test_speed_is_over_the_time_since_the_position_not_since_the_transaction() -> None:
    features = _journey((0, LIMA), (10, NOWHERE), (10 + 2 / 60, CUSCO))
    assert features[2, FEATURE_NAMES.index("account_seconds_since_last")] == 120
    assert features[2, FEATURE_NAMES.index("distance_km")] == pytest.approx(572, abs=5)
    assert features[2, FEATURE_NAMES.index("speed_kmh")] == pytest.approx(57, abs=0.5)


def test_a_late_transaction_has_a_speed_only_when_it_is_later_than_the_position() -> None:
    features = _journey((5, LIMA), (10, NOWHERE), (9, CUSCO), (5, CUSCO), (4, CUSCO))
    speed = features[:, FEATURE_NAMES.index("speed_kmh")]
    assert speed[2] == pytest.approx(572 / 4, abs=2)
    assert np.isnan(speed[3:]).all()


def _met(devices: list[int]) -> np.ndarray:
    batch, _ = make_history(len(devices), 12)
    batch.keys[:, KeyColumn.ACCOUNT] = 5
    batch.keys[:, KeyColumn.DEVICE] = keys_of(np.array(devices))
    return FeatureEngine().process(batch)


def test_a_device_in_daily_use_stays_known_however_many_others_come() -> None:
    features = _met([1, 2, 1, 3, 1, 4, 1, 5, 1, 6, 1])
    new, turnover = FEATURE_NAMES.index("is_new_device"), FEATURE_NAMES.index("account_device_turnover")
    np.testing.assert_array_equal(features[:, new], [1, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0])
    np.testing.assert_array_equal(features[:, turnover], [0, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6])


def test_the_device_not_used_for_longest_is_the_first_to_be_forgotten() -> None:
    features = _met([1, 2, 3, 4, 1, 5, 1, 3, 4, 2])
    new = features[:, FEATURE_NAMES.index("is_new_device")]
    np.testing.assert_array_equal(new, [1, 1, 1, 1, 0, 1, 0, 0, 0, 1])


def test_the_replay_of_nothing_is_nothing() -> None:
    batch, outcomes = make_history(10, 5)
    engine = FeatureEngine()
    assert engine.replay(batch.rows(slice(0, 0)), outcomes).shape == (0, len(CATALOGUE))
    assert engine.counts.entities["merchant"] > 0


def test_a_replay_tells_how_far_it_is() -> None:
    batch, outcomes = make_history(500, 6)
    done: list[int] = []
    FeatureEngine().replay(batch, outcomes, done.append)
    assert done == sorted(set(done))
    assert done[-1] == 500


def test_an_outcome_older_than_every_label_window_is_counted_as_late() -> None:
    batch, _ = make_history(2, 7)
    key, times = batch.keys[:1].copy(), batch.ints[:1, IntColumn.EVENT_TIME_US]
    key[:] = 5
    engine = FeatureEngine()
    engine.report(OutcomeBatch(key, times + 40 * 24 * HOUR_US, np.array([True])))
    engine.report(OutcomeBatch(key, times, np.array([True])))
    assert engine.counts.outcomes_late == 1


def test_a_selection_takes_features_and_attributes_in_its_own_order() -> None:
    batch, _ = make_history(3, 8)
    matrix = FeatureEngine().process(batch)
    selection = FeatureSelection(["attribute.limit", "amount", "attribute.score", "hour"])
    taken = selection.take(matrix, {"limit": np.array([1.0, np.nan, 3.0])})
    expected = [[1.0, np.nan, 3.0], matrix[:, 0], [np.nan] * 3, matrix[:, FEATURE_NAMES.index("hour")]]
    np.testing.assert_array_equal(taken, np.array(expected, dtype=np.float32).T)
    assert taken.dtype == np.float32
    assert taken.flags.c_contiguous


def test_a_selection_of_everything_is_the_matrix_itself() -> None:
    batch, _ = make_history(3, 8)
    matrix = FeatureEngine().process(batch)
    assert FeatureSelection(FEATURE_NAMES).take(matrix, {}) is matrix


def test_a_selection_names_the_first_feature_that_it_does_not_know() -> None:
    with pytest.raises(KeyError, match="no_such_feature"):
        FeatureSelection(["amount", "no_such_feature"])


def test_sums_stop_growing_before_they_overflow() -> None:
    largest = 10**15  # cents of the largest amount in a currency without a minor unit
    count = 40_000  # four times what 64 bits hold
    batch, outcomes = make_history(count, 9)
    batch.keys[:] = batch.keys[0]
    batch.ints[:, IntColumn.EVENT_TIME_US] = batch.ints[0, IntColumn.EVENT_TIME_US] + np.arange(count)
    batch.ints[:, IntColumn.AMOUNT_CENTS] = largest
    features = FeatureEngine().replay(batch, outcomes.rows(slice(0, 0)))
    mean = features[:, FEATURE_NAMES.index("merchant_mean_24h")]
    assert (mean[1:] > 0).all()
    assert mean[100] == np.float32(largest / 100)
