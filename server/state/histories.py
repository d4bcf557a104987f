"""Opens the history that the settings describe: a region, private or shared by workers, or a Redis."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import structlog

from kuntur.time_zone import TimeZone
from server.host.bus_error import end_on_lost_file
from server.host.signals import StopWantedError
from server.journal import Buffer, Journal, JournalWriter
from server.journal.form import journal_of
from server.settings.config import ServerSettings
from server.settings.sections import History
from server.state import HistorySizes, HistoryStore, Region, RegionHistory, Scrubber
from server.state.apart import HistoryApart
from server.state.appending import Appender, prepare
from server.state.rebuild import bring_up_to_date, catching_up
from server.state.region.damage import begin_anew
from server.state.region.layout import InterruptedRegionError
from server.state.sizes import reader_of, sizes_of, zone_of
from server.state.snapshots import SnapshotFiles

_LOG = structlog.get_logger(__name__)
OpenHistory = tuple[HistoryStore, Callable[[], None]]
"""A history and what closes it."""


def open_history(settings: ServerSettings, journal: Journal, writer: JournalWriter | None) -> OpenHistory:
    """Opens the history of a server of one process, and brings it to where the journal is.

    writer: of the journal's files, None where there are none. Raises RegionError, ReplayError, JournalError,
    OSError.
    """
    if settings.history.store == "redis":
        prepare(journal.buffer)
        return _open_redis(settings, journal)
    region = _open_region(settings, journal.buffer, writer)
    return _opened(region, settings, journal, checks=settings.history.path is not None)


def open_region(settings: ServerSettings, buffer: Buffer, writer: JournalWriter | None) -> Region | None:
    """Opens the region that workers share, and brings it to where the journal is.

    None where they share a Redis. Raises RegionError, ReplayError, JournalError, OSError.
    """
    if settings.history.store == "redis":
        prepare(buffer)
        return None
    return _open_region(settings, buffer, writer, shared=True)


def attach_history(
    settings: ServerSettings, region: int | None, journal: Journal, *, checks: bool
) -> OpenHistory:
    """Opens the history of a worker; region: the descriptor that it inherited, if any.

    checks: whether this worker is the one that checks it in the background.
    """
    if region is None:
        return _open_redis(settings, journal)
    if settings.history.path is not None:
        end_on_lost_file()
    attached = Region.attach(region, sizes_of(settings.history), zone_of(settings))
    return _opened(attached, settings, journal, checks=checks)


def open_apart(
    settings: ServerSettings, directory: Path, before: int, *, from_snapshot: bool = False
) -> HistoryApart:
    """Opens a history of the settings' sizes apart from every server's, for the entries before one.

    It is empty, or the newest snapshot beside the journal that has none of the entries from there on, if
    there is one. Raises OSError.
    """
    history = HistoryApart(sizes_of(settings.history), zone_of(settings), reader_of(settings))
    if from_snapshot:
        with suppress(FileNotFoundError):  # a copy without its buffer: nothing says which journal it is
            history.load(SnapshotFiles(directory), journal_of(directory), before - 1)
    return history


def _open_redis(settings: ServerSettings, journal: Journal) -> OpenHistory:
    from server.state.redis.open import open_shared_history

    shared = open_shared_history(
        settings.redis, settings.history, zone_of(settings), Appender(journal).append
    )
    return shared, shared.close


def _open_region(
    settings: ServerSettings, buffer: Buffer, writer: JournalWriter | None, *, shared: bool = False
) -> Region:
    path, sizes, zone = settings.history.path, sizes_of(settings.history), zone_of(settings)
    if path is not None:
        region = _open_file(path, sizes, zone, anew=writer is not None)
    else:
        # Snapshots are sealed, and so is what takes one over.
        sealed = shared or writer is not None
        region = Region.create(sizes, zone) if sealed else Region.private(sizes, zone)
    if writer is None:
        region.history.begin_journal(buffer.journal, buffer.next_sequence - 1)
    else:
        try:
            bring_up_to_date(region, writer, reader_of(settings), SnapshotFiles(writer.directory))
        except StopWantedError:
            region.close()  # the machine may go down next, and a file that is open then is refused
            raise
    return region


def _opened(region: Region, settings: ServerSettings, journal: Journal, *, checks: bool) -> OpenHistory:
    store = RegionHistory(region, journal)
    store.catch_up = catching_up(region, journal, reader_of(settings))
    if checks:
        return _checked(store, region, settings.history)
    return store, region.close


def _checked(store: RegionHistory, region: Region, history: History) -> OpenHistory:
    scrubber = Scrubber(store, history.check_records_per_s)
    scrubber.start()

    def close() -> None:
        scrubber.stop()
        region.close()

    return store, close


def _open_file(path: Path, sizes: HistorySizes, zone: TimeZone, *, anew: bool) -> Region:
    """Opens or makes a file; anew: whether it is begun anew, for the journal, where the machine went down."""
    end_on_lost_file()
    try:
        return Region.open(path, sizes, zone)
    except InterruptedRegionError:
        if not anew:
            raise
        _LOG.warning(
            "the history file was open when the machine went down: it is set aside, and the history is made "
            "anew from the journal",
            file=str(path),
            set_aside=str(begin_anew(path)),
        )
    return Region.open(path, sizes, zone)
