"""Opens the history that the settings describe: a region, private or shared by workers, or a Redis."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kuntur.time_zone import TimeZone, time_zone
from server.host.bus_error import end_on_lost_file
from server.settings.config import ServerSettings
from server.settings.sections import History
from server.state import HistorySizes, HistoryStore, Region, RegionHistory, Scrubber

OpenHistory = tuple[HistoryStore, Callable[[], None]]
"""A history and what closes it."""


def open_history(settings: ServerSettings) -> OpenHistory:
    """Opens the history of a server of one process. Raises RegionError, OSError."""
    if settings.history.store == "redis":
        from server.state.redis.open import open_shared_history

        shared = open_shared_history(settings.redis, settings.history, _zone(settings))
        return shared, shared.close
    path, sizes, zone = settings.history.path, _sizes(settings.history), _zone(settings)
    if path is None:
        private = Region.private(sizes, zone)
        return RegionHistory(private), private.close
    return _checked(_open_file(path, sizes, zone), settings.history)


def open_region(settings: ServerSettings) -> Region | None:
    """Opens the region that workers share; None where they share a Redis. Raises RegionError, OSError."""
    if settings.history.store == "redis":
        return None
    path, sizes, zone = settings.history.path, _sizes(settings.history), _zone(settings)
    return Region.create(sizes, zone) if path is None else _open_file(path, sizes, zone)


def attach_history(settings: ServerSettings, region: int | None, *, checks: bool) -> OpenHistory:
    """Opens the history of a worker; region: the descriptor that it inherited, if any.

    checks: whether this worker is the one that checks it in the background.
    """
    if region is None:
        return open_history(settings)
    if settings.history.path is not None:
        end_on_lost_file()
    attached = Region.attach(region, _sizes(settings.history), _zone(settings))
    if checks:
        return _checked(attached, settings.history)
    return RegionHistory(attached), attached.close


def _checked(region: Region, history: History) -> OpenHistory:
    store = RegionHistory(region)
    scrubber = Scrubber(store, history.check_records_per_s)
    scrubber.start()

    def close() -> None:
        scrubber.stop()
        region.close()

    return store, close


def _open_file(path: Path, sizes: HistorySizes, zone: TimeZone) -> Region:
    end_on_lost_file()
    return Region.open(path, sizes, zone)


def _zone(settings: ServerSettings) -> TimeZone:
    return time_zone(settings.institution.time_zone)


def _sizes(history: History) -> HistorySizes:
    return HistorySizes(
        accounts=history.max_accounts,
        merchants=history.max_merchants,
        devices=history.max_devices,
        categories=history.max_categories,
        recent_transactions=history.recent_transactions,
    )
