"""The sizes and the time zone of the history that settings describe."""

from __future__ import annotations

from kuntur.history import HistorySizes
from kuntur.time_zone import TimeZone, time_zone
from server.settings.config import ServerSettings
from server.settings.sections import History


def sizes_of(history: History) -> HistorySizes:
    """Returns the most records of each kind."""
    return HistorySizes(
        accounts=history.max_accounts,
        merchants=history.max_merchants,
        devices=history.max_devices,
        categories=history.max_categories,
        recent_transactions=history.recent_transactions,
    )


def zone_of(settings: ServerSettings) -> TimeZone:
    """Returns the time zone whose nights are counted."""
    return time_zone(settings.institution.time_zone)
