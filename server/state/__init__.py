"""The history behind the features, and where it is kept."""

from server.state.history import HistoryCounts, HistoryStore
from server.state.region.layout import RegionError, RegionSizes
from server.state.region.region import Region
from server.state.region.scrubber import Scrubber
from server.state.region.shared import RegionHistory

__all__ = [
    "HistoryCounts",
    "HistoryStore",
    "Region",
    "RegionError",
    "RegionHistory",
    "RegionSizes",
    "Scrubber",
]
