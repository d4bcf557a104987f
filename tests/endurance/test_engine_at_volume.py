"""A million transactions; a hundred thousand, some of them late, are in tests/unit/kernel."""

from __future__ import annotations

import numpy as np
import pytest

from kuntur.features import FeatureEngine
from kuntur.transaction import OutcomeBatch, TransactionBatch
from tests.property.histories import bits, make_history
from tests.support.volumes import ENTITIES, assert_windows_are_those_of_polars, serve


@pytest.fixture(scope="module")
def history() -> tuple[TransactionBatch, OutcomeBatch]:
    return make_history(1_000_000, 11)


@pytest.fixture(scope="module")
def replayed(history: tuple[TransactionBatch, OutcomeBatch]) -> np.ndarray:
    return FeatureEngine().replay(*history)


def test_serving_a_million_in_random_frames_equals_the_replay_bit_for_bit(history, replayed) -> None:
    assert np.array_equal(bits(serve(*history, seed=5)), bits(replayed))


@pytest.mark.parametrize("entity", ENTITIES)
def test_windows_of_a_million_equal_polars(history, replayed, entity: str) -> None:
    assert_windows_are_those_of_polars(history[0], replayed, entity)
