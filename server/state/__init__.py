"""The history behind the features, and where it is kept."""

from kuntur.history import HistorySizes
from server.state.history import Admitted, Earlier, HistoryCounts, HistoryStore, Reported
from server.state.region.layout import RegionError
from server.state.region.region import Region
from server.state.region.scrubber import Scrubber
from server.state.region.shared import RegionHistory

__all__ = [
    "Admitted",
    "Earlier",
    "HistoryCounts",
    "HistorySizes",
    "HistoryStore",
    "Region",
    "RegionError",
    "RegionHistory",
    "Reported",
    "Scrubber",
]
