"""The history in a region keeps the contract, in memory and in a file; full tables evict the longest idle."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from kuntur.features import FEATURE_NAMES, FeatureEngine
from kuntur.transaction import IntColumn, KeyColumn, TransactionBatch
from server.journal import Buffer, MemoryJournal
from server.journal.form import LEAST_BYTES
from server.state import HistorySizes, HistoryStore, Region, RegionHistory
from tests.contract.first_answers import FirstAnswersContract
from tests.contract.history_store import (
    CAPACITY,
    HOUR_US,
    START_US,
    HistoryStoreContract,
    counted,
    outcomes,
    transactions,
)

_COUNT = FEATURE_NAMES.index("account_total_count")


def sizes(**changes: int) -> HistorySizes:
    """Returns sizes of a small region."""
    few = {"accounts": 512, "merchants": 8, "devices": 8, "categories": 8, "recent_transactions": CAPACITY}
    return HistorySizes(**(few | changes))


@pytest.fixture
def memory() -> Iterator[Region]:
    region = Region.create(sizes())
    yield region
    region.close()


class TestRegionOfOneProcess(HistoryStoreContract):
    @pytest.fixture
    def store(self) -> HistoryStore:
        return RegionHistory(Region.private(sizes()))


class TestRegionInMemory(HistoryStoreContract):
    @pytest.fixture
    def store(self, memory: Region) -> HistoryStore:
        return RegionHistory(memory)


class TestRegionInAFile(HistoryStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[HistoryStore]:
        region = Region.open(tmp_path / "history", sizes())
        yield RegionHistory(region)
        region.close()


class TestRegionOfAnotherProcess(HistoryStoreContract):
    """One that is attached to, as workers do."""

    @pytest.fixture
    def store(self, memory: Region) -> HistoryStore:
        return RegionHistory(Region.attach(os.dup(memory.fd)))


class TestFirstAnswers(FirstAnswersContract):
    @pytest.fixture
    def store(self, memory: Region) -> HistoryStore:
        journal = MemoryJournal(Buffer.anonymous(LEAST_BYTES))
        memory.history.begin_journal(journal.buffer.journal, journal.buffer.next_sequence - 1)
        return RegionHistory(memory, journal)


def of_accounts(accounts: list[int], *, start_us: int = START_US) -> TransactionBatch:
    """Returns a transaction of each account, a minute apart, all of different ids."""
    batch = transactions(
        [hash((a, start_us, i)) % 2**60 + 1 for i, a in enumerate(accounts)], start_us=start_us
    )
    batch.keys[:, KeyColumn.ACCOUNT] = np.array(accounts, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return batch


def test_a_full_table_evicts_the_longest_idle() -> None:
    region = Region.create(sizes(accounts=100, recent_transactions=4096))
    store = RegionHistory(region)
    store.backfill(of_accounts(list(range(1, 101))))
    later = START_US + 24 * HOUR_US
    store.backfill(of_accounts([1, 2, 3], start_us=later))  # no longer idle
    assert store.counts().evicted["account"] == 0
    store.backfill(of_accounts([201, 202], start_us=later + HOUR_US))
    assert store.counts().evicted == {"account": 2, "merchant": 0, "device": 0, "category": 0}
    assert store.counts().entities["account"] == 100
    found = [
        float(v)
        for v in store.score_features(of_accounts([1, 4, 201], start_us=later + 2 * HOUR_US))[:, _COUNT]
    ]
    assert found == [2, 0, 1]


def test_of_many_accounts_those_that_are_evicted_are_among_the_longest_idle() -> None:
    region = Region.create(sizes(accounts=3_000, recent_transactions=40_000))
    store, chance = RegionHistory(region), np.random.default_rng(5)
    order = chance.permutation(3_000) + 1
    store.backfill(of_accounts(order.tolist()))
    store.backfill(of_accounts(list(range(10_001, 10_301)), start_us=START_US + 100 * HOUR_US))
    assert store.counts().evicted["account"] == 300
    batch = of_accounts(order.tolist(), start_us=START_US + 200 * HOUR_US)
    left = np.zeros(3_000, dtype=bool)
    for row in range(len(batch)):  # looked at without a place of their own
        one = batch.rows(slice(row, row + 1))
        one.ints[:, IntColumn.COUNTED] = 0
        one.keys[:, KeyColumn.TRANSACTION] = transactions([1]).keys[0, KeyColumn.TRANSACTION]
        left[row] = store.score_features(one)[0, _COUNT] > 0
    assert left.sum() == 2_700
    assert left[1_500:].all()  # nobody of the later half had to go


def test_tables_that_evict_all_the_time_still_find_what_they_hold() -> None:
    region = Region.create(sizes(accounts=50, merchants=5, devices=5, recent_transactions=64))
    store, chance = RegionHistory(region), np.random.default_rng(7)
    last: dict[int, int] = {}
    for round_ in range(300):
        chosen = [int(a) for a in chance.integers(1, 400, size=20)]
        store.backfill(of_accounts(chosen, start_us=START_US + round_ * HOUR_US))
        last |= dict.fromkeys(chosen, round_)
    newest = sorted(last, key=last.__getitem__)[-15:]
    assert all(
        count > 0
        for count in store.score_features(of_accounts(newest, start_us=START_US + 301 * HOUR_US))[:, _COUNT]
    )
    assert store.counts().entities["account"] == 50


def test_more_corrections_than_are_held_wait_no_longer() -> None:
    region = Region.create(sizes(held_corrections=2))
    store = RegionHistory(region)
    store.score_features(transactions([1, 2, 3]))
    store.report(outcomes([1, 2, 3]))
    taken_back = START_US + 5 * HOUR_US
    for number in (1, 2, 3):
        store.report(outcomes([number], fraud=False, reported_us=taken_back))
    frauds = FEATURE_NAMES.index("account_fraud_count")
    probe = store.score_features(transactions([9], start_us=taken_back + 1))
    assert probe[0, frauds] == 1  # the third still waits for its hour; the first two had to make room


def test_a_region_starts_as_it_was_left(tmp_path: Path) -> None:
    batch = transactions(list(range(1, 31)))
    expected = FeatureEngine().process(transactions(list(range(1, 31))))
    found = []
    for start in (0, 10, 20):
        region = Region.open(tmp_path / "history", sizes())
        found.append(RegionHistory(region).score_features(batch.rows(slice(start, start + 10))))
        region.close()
    assert np.concatenate(found).tobytes() == expected.tobytes()


def test_processes_share_a_region_at_the_same_place(memory: Region) -> None:
    one, other = RegionHistory(memory), RegionHistory(Region.attach(os.dup(memory.fd)))
    assert counted(one.score_features(transactions([1, 2]))) == [0, 1]
    assert counted(other.score_features(transactions([3]))) == [2]
    assert counted(one.score_features(transactions([4]))) == [3]
