"""The feature engine against the oracle, and against itself in other portions."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kuntur.features import FeatureEngine
from kuntur.features.label_changes import LabelChanges
from kuntur.transaction import IntColumn, OutcomeBatch, TransactionBatch
from tests.property.histories import START_US, bits, histories, keys_of, make_history
from tests.property.oracle import Oracle, assert_matches
from tests.support.examples import examples

HOUR_US = 3_600_000_000


def _state(engine: FeatureEngine) -> list[bytes]:
    return [memory.tobytes() for memory in engine._tables]


@examples(400)
@given(histories())
def test_any_history_gives_what_the_oracle_says(batch: TransactionBatch) -> None:
    assert_matches(FeatureEngine(1).process(batch), Oracle().process(batch))


@examples(150)
@given(histories(), st.lists(st.integers(1, 12), min_size=40, max_size=40))
def test_any_division_into_frames_gives_the_same_bits(batch: TransactionBatch, sizes: list[int]) -> None:
    whole = FeatureEngine().process(batch)
    engine = FeatureEngine(1)
    ends = [0, *itertools.accumulate(sizes)]
    parts = [engine.process(batch.rows(slice(a, b))) for a, b in itertools.pairwise(ends) if a < len(batch)]
    assert np.array_equal(bits(np.concatenate(parts)), bits(whole))


@examples(200)
@given(histories(), histories(max_rows=5))
def test_a_row_that_is_not_counted_sees_all_and_leaves_no_trace(
    past: TransactionBatch, batch: TransactionBatch
) -> None:
    batch.ints[:, IntColumn.COUNTED] = 1
    for i in range(len(batch)):
        row = batch.rows(slice(i, i + 1))
        looking, counting = FeatureEngine(64), FeatureEngine(64)
        looking.process(past)
        counting.process(past)
        before, counts = _state(looking), looking.counts
        row.ints[:, IntColumn.COUNTED] = 0
        seen = looking.process(row)
        assert _state(looking) == before
        assert looking.counts == counts
        row.ints[:, IntColumn.COUNTED] = 1
        assert np.array_equal(bits(seen), bits(counting.process(row)))


@st.composite
def _outcomes(draw: st.DrawFn) -> OutcomeBatch:
    n = draw(st.integers(0, 20))
    entities = draw(st.lists(st.tuples(*[st.integers(0, 2)] * 5), min_size=n, max_size=n))
    keys = [(place + 1, *each) for place, each in enumerate(entities)]
    hours = draw(st.lists(st.one_of(st.integers(0, 60), st.integers(0, 60 * 24)), min_size=n, max_size=n))
    frauds = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    times = START_US + np.array(hours, dtype=np.int64) * (HOUR_US // 2)
    return OutcomeBatch(
        keys_of(np.array(keys, dtype=np.int64).reshape(n, 6)), times, np.array(frauds, dtype=np.bool_)
    )


@examples(300)
@given(st.one_of(histories(in_order=True), histories()), _outcomes(), st.randoms(use_true_random=False))
def test_outcomes_count_from_the_hour_after_their_report(batch, outcomes, shuffler) -> None:
    features = FeatureEngine(1).replay(batch, outcomes)
    assert_matches(features, Oracle().replay(batch, outcomes))
    order = list(range(len(outcomes)))
    shuffler.shuffle(order)
    shuffled = FeatureEngine(1).replay(batch, outcomes.rows(np.array(order, dtype=np.intp)))
    assert np.array_equal(bits(shuffled), bits(features))


@examples(200)
@given(histories(), _outcomes())
def test_a_late_transaction_sees_all_reports_before_its_hour_or_unset(batch, outcomes) -> None:
    engine = FeatureEngine(1)
    engine.report(outcomes)
    names = [i for i, name in enumerate(_names()) if "risk" in name or "fraud" in name]
    for i in range(len(batch)):
        row = batch.rows(slice(i, i + 1))
        row.ints[:, IntColumn.COUNTED] = 0
        before = outcomes.rows(
            np.flatnonzero(
                outcomes.reported_time_us // HOUR_US < row.ints[0, IntColumn.EVENT_TIME_US] // HOUR_US
            )
        )
        all_known = FeatureEngine(1)
        all_known.report(before)
        seen, expected = engine.process(row)[:, names], all_known.process(row)[:, names]
        assert (np.isnan(seen) | (seen == expected)).all()


def _take_back(engine: FeatureEngine, outcomes: OutcomeBatch) -> None:
    frauds, times = outcomes.is_fraud.astype(np.int8), outcomes.reported_time_us
    engine.apply(LabelChanges(outcomes.keys, times, times, -frauds, -np.ones_like(frauds)))


@examples(150)
@given(_outcomes(), st.data())
def test_an_outcome_taken_back_leaves_no_count(outcomes: OutcomeBatch, data: st.DataObject) -> None:
    kept = np.array(data.draw(st.lists(st.booleans(), min_size=len(outcomes), max_size=len(outcomes))), bool)
    order = np.argsort(outcomes.reported_time_us, kind="stable")
    outcomes, engine, plain = outcomes.rows(order), FeatureEngine(), FeatureEngine()
    engine.report(outcomes)
    taken = outcomes.rows(np.flatnonzero(~kept))
    _take_back(engine, taken)
    plain.report(outcomes.rows(np.flatnonzero(kept)))
    batch, _ = make_history(200, 3, accounts=3)
    batch.ints[:, IntColumn.EVENT_TIME_US] = START_US + 31 * 24 * HOUR_US
    names = [i for i, name in enumerate(_names()) if "risk" in name or "fraud_count" in name]
    features, expected = engine.process(batch), plain.process(batch)
    assert np.array_equal(bits(features[:, names]), bits(expected[:, names]))
    since = _names().index("account_hours_since_fraud")
    assert (np.isnan(features[:, since]) | (features[:, since] == expected[:, since])).all()


@examples(150)
@given(_outcomes(), st.data())
def test_taking_back_before_or_after_newer_reports_is_the_same(outcomes, data) -> None:
    outcomes = outcomes.rows(np.argsort(outcomes.reported_time_us, kind="stable"))
    n = len(outcomes)
    at_once, at_the_end = FeatureEngine(), FeatureEngine()
    taken_at = data.draw(st.lists(st.integers(0, 2 * n), min_size=n, max_size=n))
    for now in range(n):
        at_once.report(outcomes.rows(slice(now, now + 1)))
        for i in (i for i in range(now + 1) if max(taken_at[i], i) == now):
            _take_back(at_once, outcomes.rows(slice(i, i + 1)))
    at_the_end.report(outcomes)
    taken = np.array([i for i in range(n) if max(taken_at[i], i) < n], dtype=np.intp)
    _take_back(at_the_end, outcomes.rows(taken))
    assert _state(at_once)[0] == _state(at_the_end)[0]


def _names() -> tuple[str, ...]:
    from kuntur.features import FEATURE_NAMES

    return FEATURE_NAMES
