from __future__ import annotations

import pytest

from server.state import HistoryStore, MemoryHistory
from tests.contract.history_store import CAPACITY, HistoryStoreContract


class TestMemoryHistory(HistoryStoreContract):
    @pytest.fixture
    def store(self) -> HistoryStore:
        return MemoryHistory(recent_transactions=CAPACITY, entities=4)
