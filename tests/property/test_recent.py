"""The table of recent transactions against dictionaries."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kuntur.features import FEATURE_NAMES, FeatureEngine
from kuntur.history.outcomes import OutcomeStatus
from kuntur.transaction import IntColumn, KeyColumn
from tests.property.histories import HOUR_US, START_US, make_history
from tests.property.recent_table import RecentTable
from tests.support.examples import examples


@dataclass
class _Known:
    entities: list[int]
    time_us: int
    label: bool | None = None
    reported_us: int = 0


class _Oracle:
    """Remembers in an ordered dictionary what the table keeps in a circle."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.known: OrderedDict[int, _Known] = OrderedDict()

    def admit(self, key: int, entities: list[int], time_us: int) -> bool:
        if key in self.known:
            return False
        if len(self.known) == self.capacity:
            self.known.popitem(last=False)
        self.known[key] = _Known(entities, time_us)
        return True

    def resolve(self, key: int, time_us: int, fraud: bool) -> tuple[OutcomeStatus, list[tuple]]:
        record = self.known.get(key)
        if record is None:
            return OutcomeStatus.UNKNOWN, []
        if time_us < record.time_us:
            return OutcomeStatus.BEFORE_EVENT, []
        if record.label is fraud or (record.label is not None and time_us < record.reported_us):
            return OutcomeStatus.REPEATED, []
        changes = []
        status = OutcomeStatus.APPLIED
        if record.label is not None:
            status = OutcomeStatus.CORRECTED
            changes.append((key, record.entities, time_us, record.reported_us, -int(record.label), -1))
        changes.append((key, record.entities, time_us, time_us, int(fraud), 1))
        record.label, record.reported_us = fraud, time_us
        return status, changes


# Keys that all fall on a few neighbouring places of the index, the last ones included, so that they
# collide, wrap around and leave gaps to close.
_KEYS = st.builds(
    lambda high, low: high << 40 | low, st.integers(1, 6), st.sampled_from([1, 2, 14, 15, 30, 31])
)
_ADMITTED = st.tuples(st.just("admit"), st.lists(_KEYS, max_size=12))
_REPORTED = st.tuples(
    st.just("report"), st.lists(st.tuples(_KEYS, st.integers(-5, 40), st.booleans()), max_size=8)
)


@examples(400)
@given(st.integers(1, 20), st.lists(st.one_of(_ADMITTED, _REPORTED), max_size=25))
def test_the_circle_forgets_repeats_and_corrects_as_a_dictionary_would(capacity: int, steps: list) -> None:
    table, oracle, now = RecentTable(capacity), _Oracle(capacity), 0
    for kind, given_ in steps:
        if kind == "admit":
            n = len(given_)
            keys = np.zeros((n, len(KeyColumn)), dtype=np.uint64)
            ints = np.zeros((n, len(IntColumn)), dtype=np.int64)
            keys[:, KeyColumn.TRANSACTION] = given_
            keys[:, 1:5] = np.arange(n * 4).reshape(n, 4) + now
            ints[:, IntColumn.EVENT_TIME_US] = now + np.arange(n)
            ints[:, IntColumn.COUNTED] = 1
            fresh = [oracle.admit(key, keys[i, 1:5].tolist(), now + i) for i, key in enumerate(given_)]
            assert table.admit(keys, ints) == n - sum(fresh)
            assert ints[:, IntColumn.COUNTED].tolist() == [int(f) for f in fresh]
            now += n
        else:
            expected = [oracle.resolve(key, now + at, fraud) for key, at, fraud in given_]
            statuses, found = table.resolve(
                np.array([key for key, _, _ in given_], dtype=np.uint64),
                np.array([now + at for _, at, _ in given_], dtype=np.int64),
                np.array([fraud for _, _, fraud in given_], dtype=np.bool_),
            )
            assert statuses.tolist() == [status for status, _ in expected]
            changes = [change for _, made in expected for change in made]
            keys = (found.keys[:, 0], found.keys[:, 1:5])
            columns = (*keys, found.known_us, found.counted_us, found.frauds, found.outcomes)
            assert list(zip(*(column.tolist() for column in columns), strict=True)) == changes
        assert len(table) == len(oracle.known)


def test_a_corrected_outcome_leaves_the_risk_as_if_it_had_been_right_at_once() -> None:
    batch, _ = make_history(50, 9, days=1, accounts=3)
    ids, reported = batch.keys[:, 0].copy(), np.full(50, START_US + 30 * HOUR_US)
    truth = np.arange(50) % 7 == 0
    risks = []
    for first_word in (truth, ~truth):
        engine, recent = FeatureEngine(), RecentTable(64)
        recent.admit(batch.keys, batch.ints)
        engine.process(batch)
        for word in (first_word, truth):
            engine.apply(recent.resolve(ids, reported, word)[1])
        later = batch.rows(np.arange(50))
        later.ints[:, IntColumn.EVENT_TIME_US] = START_US + 40 * HOUR_US
        columns = [i for i, name in enumerate(FEATURE_NAMES) if "fraud" in name or "risk" in name]
        risks.append(engine.process(later)[:, columns])
    np.testing.assert_array_equal(*risks)
