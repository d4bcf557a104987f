"""What settings say of a history: its sizes, its time zone, and what reads the requests that enter it."""

from __future__ import annotations

from kuntur.hash_key import secret_from_hex
from kuntur.history import HistorySizes
from kuntur.time_zone import TimeZone, time_zone
from kuntur.wire import TransactionReader
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


def reader_of(settings: ServerSettings) -> TransactionReader:
    """Returns what reads requests under the settings' key, with their codes of countries."""
    return TransactionReader(secret_from_hex(settings.history.hash_key), settings.institution.country_codes)
