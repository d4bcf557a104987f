"""A hundred thousand transactions; a million are in tests/endurance."""

from __future__ import annotations

import numpy as np
import pytest

from kuntur.features import FeatureEngine
from kuntur.transaction import OutcomeBatch, TransactionBatch
from tests.property.histories import bits, make_history
from tests.support.volumes import ENTITIES, assert_windows_are_those_of_polars, serve


@pytest.fixture(scope="module")
def history() -> tuple[TransactionBatch, OutcomeBatch]:
    return make_history(100_000, 11)


@pytest.fixture(scope="module")
def replayed(history: tuple[TransactionBatch, OutcomeBatch]) -> np.ndarray:
    return FeatureEngine().replay(*history)


def test_serving_a_hundred_thousand_in_random_frames_equals_the_replay_bit_for_bit(history, replayed) -> None:
    assert np.array_equal(bits(serve(*history, seed=5)), bits(replayed))


def test_serving_with_late_transactions_equals_the_replay_bit_for_bit() -> None:
    batch, outcomes = make_history(150_000, 12, late_share=0.02)
    engine = FeatureEngine(1)
    replayed = engine.replay(batch, outcomes)
    assert engine.counts.late > 1_000
    assert engine.counts.late_dropped > 100
    assert np.array_equal(bits(serve(batch, outcomes, seed=6)), bits(replayed))


@pytest.mark.parametrize("entity", ENTITIES)
def test_windows_of_a_hundred_thousand_equal_polars(history, replayed, entity: str) -> None:
    assert_windows_are_those_of_polars(history[0], replayed, entity)
