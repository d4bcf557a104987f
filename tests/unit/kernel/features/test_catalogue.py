from __future__ import annotations

import numpy as np

from kuntur.features import CATALOGUE, FEATURE_NAMES, PersonalData, kernel
from kuntur.records import table
from kuntur.records.layout import ACCOUNT_RECORD_WORDS, PROFILE_RECORD_WORDS
from kuntur.records.undo import NO_UNDO
from kuntur.time_zone import time_zone
from tests.property.histories import make_history


def test_the_kernel_writes_one_column_for_each_entry() -> None:
    batch, _ = make_history(2, 1)
    tables = [table.allocate(ACCOUNT_RECORD_WORDS, 8)] + [table.allocate(PROFILE_RECORD_WORDS, 8)] * 3
    out = np.zeros((2, len(CATALOGUE) + 5), dtype=np.float32)
    counters = np.zeros(kernel.COUNTERS, dtype=np.int64)
    columns = (batch.keys, batch.ints, batch.floats, time_zone().offsets)
    assert kernel.process(*columns, *tables, counters, NO_UNDO, out) == len(CATALOGUE)
    assert (out[:, len(CATALOGUE) :] == 0).all()


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
