"""The history behind the features, and where it is kept."""

from server.state.history import HistoryCounts, HistoryStore
from server.state.memory import MemoryHistory

__all__ = ["HistoryCounts", "HistoryStore", "MemoryHistory"]
