from __future__ import annotations

import numpy as np

from kuntur.features import FeatureEngine
from kuntur.features.label_changes import label_changes
from kuntur.transaction import IntColumn, KeyColumn, OutcomeBatch
from server.state import HistorySizes, Region, RegionHistory
from tests.property.histories import DAY_US, HOUR_US, bits, make_history


def outcomes(*told: tuple[int, int, bool]) -> OutcomeBatch:
    """Returns outcomes from (transaction, time, fraud)."""
    keys = np.zeros((len(told), len(KeyColumn)), dtype=np.uint64)
    keys[:, KeyColumn.TRANSACTION] = [each[0] for each in told]
    return OutcomeBatch(keys, np.array([t for _, t, _ in told]), np.array([f for _, _, f in told]))


def changes(*told: tuple[int, int, bool]) -> list[tuple[int, int, int, int, int]]:
    found = label_changes(outcomes(*told))
    columns = (found.keys[:, KeyColumn.TRANSACTION], found.known_us, found.counted_us)
    return [
        tuple(int(value) for value in row) for row in zip(*columns, found.frauds, found.outcomes, strict=True)
    ]


def test_outcomes_come_in_the_order_in_which_they_become_known() -> None:
    assert changes((1, 30, True), (2, 10, False), (3, 20, True)) == [
        (2, 10, 10, 0, 1),
        (3, 20, 20, 1, 1),
        (1, 30, 30, 1, 1),
    ]


def test_a_later_outcome_takes_the_earlier_one_back_where_it_was_counted() -> None:
    assert changes((1, 50, False), (1, 10, True)) == [
        (1, 10, 10, 1, 1),
        (1, 50, 50, 0, 1),
        (1, 50, 10, -1, -1),
    ]


def test_an_outcome_that_says_what_is_known_changes_nothing() -> None:
    assert changes((1, 10, True), (1, 20, True), (1, 30, True)) == [(1, 10, 10, 1, 1)]


def test_no_outcome_is_no_change() -> None:
    assert changes() == []


def test_a_replay_with_corrections_is_what_a_server_gave_that_was_told_hour_by_hour() -> None:
    batch, first = make_history(6_000, 11, days=50, accounts=60)
    chance = np.random.default_rng(12)
    told = first
    for _ in range(2):  # a third of them corrected or told again, some of these once more
        chosen = chance.random(len(told)) < 1 / 3
        later = told.rows(chosen)
        delay = (chance.exponential(4, len(later)) * DAY_US).astype(np.int64)
        again = OutcomeBatch(later.keys, later.reported_time_us + delay, chance.random(len(later)) < 0.5)
        told = OutcomeBatch(
            np.concatenate([told.keys, again.keys]),
            np.concatenate([told.reported_time_us, again.reported_time_us]),
            np.concatenate([told.is_fraud, again.is_fraud]),
        )
    few = {"accounts": 4096, "merchants": 4096, "devices": 4096, "categories": 4096}
    region = Region.create(HistorySizes(**few, recent_transactions=len(batch)))
    store = RegionHistory(region)
    served, known = [], 0
    told = told.rows(np.argsort(told.reported_time_us, kind="stable"))
    event_hours = batch.ints[:, IntColumn.EVENT_TIME_US] // HOUR_US
    for hour in np.unique(event_hours):
        until = int(np.searchsorted(told.reported_time_us // HOUR_US, hour, side="left"))
        store.report(told.rows(slice(known, until)))
        known = until
        first_row, last_row = np.searchsorted(event_hours, [hour, hour + 1])
        served.append(store.score_features(batch.rows(slice(first_row, last_row))))
    replayed = FeatureEngine().replay(batch, told)
    assert np.array_equal(bits(np.concatenate(served)), bits(replayed))
