from __future__ import annotations

import numpy as np
import pytest

from kuntur.features import CATALOGUE, FEATURE_NAMES, PersonalData, kernel
from kuntur.records import table
from kuntur.records.layout import ACCOUNT_RECORD_WORDS, PROFILE_RECORD_WORDS
from kuntur.records.undo import NO_UNDO
from kuntur.time_zone import time_zone
from tests.property.histories import make_history


@pytest.mark.parametrize("given", [True, False], ids=["all entities", "none"])
def test_the_kernel_writes_every_column_of_the_catalogue_and_no_other(given: bool) -> None:
    batch, _ = make_history(2, 1)
    tables = [table.allocate(ACCOUNT_RECORD_WORDS, 8)] + [table.allocate(PROFILE_RECORD_WORDS, 8)] * 3
    batch.keys[:] = [1, 2, 3, 4, 5, 6] if given else 0
    out = np.full((2, len(CATALOGUE) + 5), -7, dtype=np.float32)
    counters = np.zeros(kernel.COUNTERS, dtype=np.int64)
    columns = (batch.keys, batch.ints, batch.floats, time_zone().offsets)
    kernel.process(*columns, *tables, counters, NO_UNDO, out)
    assert (out[:, : len(CATALOGUE)] != -7).all()
    assert (out[:, len(CATALOGUE) :] == -7).all()


def test_names_are_unique() -> None:
    assert len(set(FEATURE_NAMES)) == len(CATALOGUE)


def test_every_entry_says_all_that_a_validator_asks_for() -> None:
    for feature in CATALOGUE:
        assert feature.description, feature.name
        assert feature.unit, feature.name
        assert feature.why, feature.name
        assert feature.source, feature.name
        assert all(feature.source), feature.name
        assert isinstance(feature.personal_data, PersonalData)
