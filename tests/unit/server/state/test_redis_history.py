"""The history in a Redis keeps the contract, counts as one server would, and does nothing by halves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from server.state import HistoryStore
from tests.contract.history_store import CAPACITY, HistoryStoreContract
from tests.support.programs.redis import RedisServer, redis_server, shared_history


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis_server() as started:
        yield started


@pytest.fixture(autouse=True)
def _empty(server: RedisServer) -> None:
    server.client().flushall()


class TestRedis(HistoryStoreContract):
    @pytest.fixture
    def store(self, server: RedisServer) -> Iterator[HistoryStore]:
        store = shared_history(server, history__recent_transactions=CAPACITY)
        yield store
        store.close()
