"""Whatever servers send to a history that they share, and whoever overtakes whom: it is as if one had."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kuntur.history import scratch
from kuntur.transaction import KeyColumn, OutcomeBatch, TransactionBatch
from server.errors import HistoryUnavailableError
from server.state import HistorySizes, HistoryStore, Region, RegionHistory
from server.state.redis.history import RedisHistory
from tests.property.histories import HOUR_US, START_US, histories, keys_of
from tests.support.examples import examples
from tests.support.programs.redis import RedisServer, redis_server, shared_history

_HELD = 3  # corrections, so that they are often too many
_SIZES = HistorySizes(
    accounts=64, merchants=64, devices=64, categories=64, recent_transactions=64, held_corrections=_HELD
)
Call = Callable[[HistoryStore], bytes]


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with redis_server() as started:
        yield started


def _scoring(batch: TransactionBatch, first: int) -> Call:
    def call(store: HistoryStore) -> bytes:
        keys, ints = batch.keys.copy(), batch.ints.copy()
        numbers = np.arange(first, first + len(batch)) % 12 + 1  # some come again
        keys[:, KeyColumn.TRANSACTION] = keys_of(numbers)
        matrix = store.score_features(TransactionBatch(keys, ints, batch.floats, {}))
        return matrix.tobytes() + ints.tobytes()

    return call


def _reporting(reports: list[tuple[int, int, bool]]) -> Call:
    keys = np.zeros((len(reports), len(KeyColumn)), dtype=np.uint64)
    keys[:, KeyColumn.TRANSACTION] = keys_of(np.array([number for number, _, _ in reports]))
    times = np.array([START_US + hours * HOUR_US for _, hours, _ in reports], dtype=np.int64)
    outcomes = OutcomeBatch(keys, times, np.array([fraud for _, _, fraud in reports]))
    return lambda store: store.report(outcomes).tobytes()


_CALLS = st.one_of(
    st.builds(_scoring, histories(max_rows=4), st.integers(0, 11)),
    st.lists(st.tuples(st.integers(1, 13), st.integers(0, 60), st.booleans()), min_size=1, max_size=6).map(
        _reporting
    ),
)


class _Overtaken:
    """A store that is overtaken by another one's calls each time it is about to commit."""

    def __init__(self, store: RedisHistory, other: RedisHistory) -> None:
        self.store, self.other = store, other
        self.between: list[Call] = []
        self.counted: list[tuple[int, Call, bytes]] = []
        scripts: Any = store._scripts
        self._commit, scripts.commit = scripts.commit, self._late

    def make(self, call: Call, between: list[Call]) -> None:
        self.between = list(between)
        self._record(self.store, call)

    def _late(self, *arguments: Any) -> int:
        if self.between:
            with contextlib.suppress(HistoryUnavailableError):  # when it is the first one's turn
                self._record(self.other, self.between.pop())
        return int(self._commit(*arguments))

    def _record(self, store: RedisHistory, call: Call) -> None:
        result = call(store)
        self.counted.append((store.latest_commit, call, result))


@settings(examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(_CALLS, st.lists(_CALLS, max_size=5)), min_size=1, max_size=8))
def test_calls_that_overtake_each_other_give_what_one_server_gives_in_the_order_of_commits(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch, calls: list[tuple[Call, list[Call]]]
) -> None:
    monkeypatch.setattr(scratch, "HELD_CORRECTIONS", _HELD)
    redis.client().flushall()
    kept = {"history__recent_transactions": 64}
    stores = _Overtaken(shared_history(redis, **kept), shared_history(redis, redis__max_tries=1, **kept))
    for call, between in calls:
        stores.make(call, between)
    alone = RegionHistory(Region.private(_SIZES))
    for commit, call, result in sorted(stores.counted, key=lambda each: each[0]):
        assert call(alone) == result, commit
    ours, one = stores.store.counts(), alone.counts()
    assert ours == one
