"""The history behind the features, and where it is kept."""

from server.state.history import HistoryCounts, HistoryStore
from server.state.region import Region
from server.state.region_layout import RegionError, RegionSizes
from server.state.scrubber import Scrubber
from server.state.shared import RegionHistory

__all__ = [
    "HistoryCounts",
    "HistoryStore",
    "Region",
    "RegionError",
    "RegionHistory",
    "RegionSizes",
    "Scrubber",
]
