"""Processes that share a region and are killed at any moment: what is there is whole, and exact."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from kuntur.features import FEATURE_NAMES, FeatureEngine, kernel
from kuntur.features.engine import ENTITIES
from kuntur.features.kernel.views import Table
from kuntur.history import recent
from kuntur.records import undo
from kuntur.records.table import P_RECORD_WORDS, P_USED, record_start
from kuntur.transaction import KeyColumn
from server.state import HistorySizes, Region, RegionHistory
from tests.contract.history_store import transactions
from tests.integration.server.counting import numbered

KILLS = 40
SIZES = HistorySizes(accounts=64, merchants=8, devices=8, categories=8, recent_transactions=1 << 20)


@pytest.fixture
def region() -> Iterator[Region]:
    made = Region.create(SIZES)
    yield made
    made.close()


def many_killed(region: Region, seed: int) -> None:
    """Lets processes count in the region and kills all of them."""
    assert region.fd is not None
    command = [sys.executable, "-m", "tests.integration.server.counting"]
    subprocess.run([*command, *map(str, (region.fd, KILLS, seed))], pass_fds=[region.fd], check=True)


def admitted(region: Region) -> list[int]:
    """Returns the numbers of the transactions that were counted, in their order."""
    count = int(region.history.recent[recent.P_ADMITTED])
    start = recent.HEADER_WORDS + int(region.history.recent[recent.P_PLACES])
    records = region.history.recent[start : start + recent.RECORD_WORDS * count]
    return records.reshape(count, recent.RECORD_WORDS)[:, recent.R_TRANSACTION].tolist()


def records(region: Region) -> dict[str, dict[int, bytes]]:
    """Returns the records of each kind by key."""
    found = {}
    for kind, memory in zip(ENTITIES, region.history.tables, strict=True):
        words = int(memory[P_RECORD_WORDS])
        starts = [int(record_start(memory, number)) for number in range(int(memory[P_USED]))]
        found[kind] = {int(memory[start]): memory[start : start + words].tobytes() for start in starts}
    return found


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_whoever_is_killed_the_region_holds_what_a_serial_replay_gives(region: Region, seed: int) -> None:
    many_killed(region, seed)
    RegionHistory(region).counts()  # takes the lock of a holder that died, and puts back what it had begun
    numbers = admitted(region)
    assert len(numbers) == len(set(numbers))
    assert {number // 10_000_000 for number in numbers} == set(range(KILLS + 1))
    undisturbed = Region.create(SIZES)
    RegionHistory(undisturbed).score_features(numbered(numbers))
    assert records(region) == records(undisturbed)
    assert undo.is_empty(region.history.undo)


def test_a_step_cut_off_at_any_write_leaves_no_trace(region: Region) -> None:
    """The log is filled by one step that is never committed, and rolled back."""
    store = RegionHistory(region)
    for number in range(1, 40):
        store.score_features(numbered([number]))
    before = region.memory.copy()
    batch = transactions([1_000], account=999)
    batch.keys[:, KeyColumn.DEVICE] = 77
    out = np.empty((1, len(FEATURE_NAMES)), dtype=np.float32)
    history = region.history
    recent.admit(history.recent, history.undo, batch.keys, batch.ints, 0, np.int64(0))
    tables = [Table(words, words.view(np.int32)) for words in history.tables]
    entities = kernel.Entities(*tables, history.counters, history.undo)
    columns = kernel.Transactions(batch.keys, batch.ints, batch.floats)
    kernel.process_one(columns, region.zone.offsets, 0, entities, out)
    assert not np.array_equal(region.memory, before)
    assert not undo.is_empty(history.undo)
    assert undo.roll_back(history.undo, region.memory) > 5
    logged = slice(512, 512 + undo.UNDO_WORDS)
    after = region.memory.copy()
    before[logged] = after[logged] = 0
    assert np.array_equal(after, before)


def test_two_processes_give_each_transaction_the_features_of_their_common_order(region: Region) -> None:
    other = RegionHistory(Region.attach(os.dup(region.fd or -1)))
    stores = [RegionHistory(region), other]
    numbers = np.random.default_rng(1).permutation(200) + 1
    rows = [stores[i % 2].score_features(numbered([int(n)]))[0] for i, n in enumerate(numbers)]
    engine = FeatureEngine()
    expected = [engine.process(numbered([int(n)]))[0] for n in numbers]
    assert np.array(rows).tobytes() == np.array(expected).tobytes()
