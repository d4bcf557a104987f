"""The replay by shards against the replay in one go, bit for bit, without Ray."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuntur.features import CATALOGUE, FeatureEngine
from kuntur.transaction import OutcomeBatch, TransactionBatch
from tests.property.histories import DAY_US, HOUR_US, START_US, bits, histories, keys_of, make_history
from tests.support.examples import examples
from trainer.dataset.shards import KINDS, columns_of, history, replay_shard, shard_rows, shards

MOMENTS = st.one_of(st.integers(0, 60), st.integers(0, 60 * 24)).map(lambda half: half * HOUR_US // 2)


@st.composite
def corrected_outcomes(draw: st.DrawFn, batch: TransactionBatch) -> OutcomeBatch:
    """Returns outcomes of some transactions, several of one too, and of some that the history has not."""
    n = draw(st.integers(0, 25))
    rows = np.array(draw(st.lists(st.integers(0, len(batch) - 1), min_size=n, max_size=n)), dtype=np.intp)
    keys = batch.keys[rows]
    strange = np.array(draw(st.lists(st.integers(0, 6), min_size=n, max_size=n)), dtype=np.intp) == 0
    unknown = keys_of(np.arange(6 * n).reshape(n, 6) % 5 + 100)
    keys = np.where(strange[:, None], unknown, keys)
    times = np.array(draw(st.lists(MOMENTS, min_size=n, max_size=n)), dtype=np.int64) + START_US
    frauds = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)), dtype=np.bool_)
    return OutcomeBatch(np.ascontiguousarray(keys), times, frauds)


def by_shards(batch: TransactionBatch, outcomes: OutcomeBatch, of: int) -> np.ndarray:
    matrix = np.full((len(batch), len(CATALOGUE)), -1, dtype=np.float32)
    whole = history(batch, outcomes)
    for shard in shards(len(batch), of):
        cells = np.ix_(shard_rows(batch.keys, shard), np.arange(len(CATALOGUE))[columns_of(shard.kind)])
        matrix[cells] = replay_shard(whole, shard)
    return matrix


@examples(120)
@given(st.one_of(histories(), histories(in_order=True)), st.data(), st.integers(1, 5))
def test_shards_give_the_bits_of_the_replay_in_one_go(
    batch: TransactionBatch, data: st.DataObject, of: int
) -> None:
    outcomes = data.draw(corrected_outcomes(batch))
    whole = FeatureEngine().replay(batch, outcomes)
    assert np.array_equal(bits(by_shards(batch, outcomes, of)), bits(whole))


def test_shards_of_a_long_history_with_late_transactions_and_corrections_give_the_same_bits() -> None:
    batch, outcomes = make_history(30_000, 11, late_share=0.02)
    again = outcomes.rows(np.arange(0, len(outcomes), 7))
    corrected = OutcomeBatch(
        np.concatenate([outcomes.keys, again.keys]),
        np.concatenate([outcomes.reported_time_us, again.reported_time_us + 3 * DAY_US]),
        np.concatenate([outcomes.is_fraud, ~again.is_fraud]),
    )
    whole = FeatureEngine().replay(batch, corrected)
    assert np.array_equal(bits(by_shards(batch, corrected, 3)), bits(whole))


def test_every_column_of_the_catalogue_comes_from_exactly_one_kind() -> None:
    columns = np.arange(len(CATALOGUE))
    counted = Counter(int(column) for kind in KINDS for column in columns[columns_of(kind)])
    assert counted == Counter(columns.tolist())


@pytest.mark.parametrize("kind", KINDS)
def test_an_engine_of_one_kind_gives_that_kind_s_features_and_holds_nothing_else(kind: str) -> None:
    batch, outcomes = make_history(3_000, 5)
    engine, whole = FeatureEngine(kinds=(kind,)), FeatureEngine().replay(batch, outcomes)
    part, columns = engine.replay(batch, outcomes), columns_of(kind)
    assert np.array_equal(bits(part[:, columns]), bits(whole[:, columns]))
    assert {name for name, held in engine.counts.entities.items() if held} == {kind}


@examples(50)
@given(histories(), st.integers(1, 6))
def test_each_row_is_in_one_shard_of_each_kind(batch: TransactionBatch, of: int) -> None:
    every = np.arange(len(batch)).tolist()
    for kind in KINDS:
        parts = [shard_rows(batch.keys, s) for s in shards(len(batch), of) if s.kind == kind]
        assert sorted(np.concatenate(parts).tolist()) == every
