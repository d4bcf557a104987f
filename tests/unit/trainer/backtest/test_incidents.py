"""Incidents and their first alerts, on cases worked out by hand and against a plain loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.backtest.figures.incidents import first_alerts, incident_numbers

HOUR, DAY = 3_600_000_000, 86_400_000_000


def test_frauds_of_an_account_and_kind_are_one_incident_until_a_week_passes() -> None:
    # day, account, kind
    rows = [(0, 1, 0), (0, 2, 0), (1, 1, -1), (2, 1, 0), (2, 1, 1), (9, 1, 0), (16, 2, 0), (17, 1, 0)]
    time = np.array([day for day, *_ in rows]) * DAY
    account, kind = np.array([row[1] for row in rows]), np.array([row[2] for row in rows], dtype=np.int32)
    found = incident_numbers(time, account, kind)
    assert found[2] == -1
    together = [sorted(np.flatnonzero(found == number).tolist()) for number in range(found.max() + 1)]
    # Seven days apart still belong together; account 1 on day 17 comes eight days after day 9.
    assert sorted(together) == [[0, 3, 5], [1], [4], [6], [7]]


def test_without_a_fraud_there_is_no_incident() -> None:
    kind = np.full(3, -1, dtype=np.int32)
    found = incident_numbers(np.arange(3), np.zeros(3, dtype=np.int64), kind)
    assert found.tolist() == [-1, -1, -1]
    assert len(first_alerts(found, np.arange(3), np.ones(3), np.ones(3, dtype=bool)).row) == 0


def test_the_first_alert_by_hand() -> None:
    # Incident 0: 100, 200, 700 soles at hours 0, 1, 5; alert at the second and third: 100 of 1,000 had gone.
    # Incident 1: 600, 400 at hours 2, 3; alert at the second: 600 of 1,000 had gone.
    # Incident 2: 50 at hour 4, no alert. Incident 3: 80 at hour 6, alert at once.
    incident = np.array([0, -1, 0, 1, 1, 2, 0, 3])
    hours = np.array([0, 0.5, 1, 2, 3, 4, 5, 6])
    amount = np.array([100.0, 9, 200, 600, 400, 50, 700, 80])
    alert = np.array([False, True, True, False, True, False, True, True])
    found = first_alerts(incident, (hours * HOUR).astype(np.int64), amount, alert)
    assert found.row.tolist() == [0, 3, 5, 7]
    assert found.place.tolist() == [2, 2, 0, 1]
    assert found.found.tolist() == [True, True, False, True]
    assert found.hours.tolist() == pytest.approx([1.0, 1.0, np.nan, 0.0], nan_ok=True)
    assert found.early.tolist() == [True, False, False, True]
    assert found.take(found.place == 2).row.tolist() == [0, 3]


def test_an_incident_without_money_goes_by_its_transactions() -> None:
    incident, time = np.zeros(4, dtype=np.int64), np.arange(4) * HOUR
    for alert_at, early in ((0, True), (1, True), (2, False), (3, False)):
        alert = np.arange(4) == alert_at
        assert first_alerts(incident, time, np.zeros(4), alert).early.tolist() == [early]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3), st.integers(-1, 2), st.integers(0, 12), st.integers(0, 5), st.booleans()
        ),
        max_size=40,
    )
)
def test_first_alerts_are_those_of_a_plain_loop(rows: list[tuple[int, int, int, int, bool]]) -> None:
    days = np.cumsum(np.array([row[2] for row in rows], dtype=np.int64))
    account = np.array([row[0] for row in rows], dtype=np.int64)
    kind = np.array([row[1] for row in rows], dtype=np.int32)
    amount = np.array([row[3] for row in rows], dtype=np.float64)
    alert = np.array([row[4] for row in rows], dtype=np.bool_)
    numbers = incident_numbers(days * DAY, account, kind)
    expected: list[list[int]] = []
    open_ones: dict[tuple[int, int], list[int]] = {}
    for place in range(len(rows)):
        if kind[place] < 0:
            continue
        name = (int(account[place]), int(kind[place]))
        if name not in open_ones or days[place] - days[open_ones[name][-1]] > 7:
            open_ones[name] = []
            expected.append(open_ones[name])
        open_ones[name].append(place)
    assert sorted(np.flatnonzero(numbers == n).tolist() for n in np.unique(numbers[numbers >= 0])) == sorted(
        expected
    )
    found = first_alerts(numbers, days * DAY, amount, alert)
    told = {
        int(row): (int(place), bool(early), float(hours))
        for row, place, early, hours in zip(found.row, found.place, found.early, found.hours, strict=True)
    }
    assert set(told) == {incident[0] for incident in expected}
    for incident in expected:
        alerts = [position for position, row in enumerate(incident) if alert[row]]
        place, early, hours = told[incident[0]]
        if not alerts:
            assert (place, early) == (0, False)
            assert np.isnan(hours)
            continue
        moved = [amount[row] for row in incident]
        moved = moved if sum(moved) else [1.0] * len(moved)
        assert place == alerts[0] + 1
        assert early == (sum(moved[: alerts[0]]) < sum(moved) / 2)
        assert hours == (days[incident[alerts[0]]] - days[incident[0]]) * 24
