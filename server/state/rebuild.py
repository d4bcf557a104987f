"""Brings a history to where the journal is: at the start of a server, and after a process died."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import structlog

from kuntur.journal.records import first_sequence
from kuntur.journal.tail import journal_files
from kuntur.journal.v1 import journal_pb2
from kuntur.journal.workers import worker_parts
from kuntur.wire import TransactionReader
from server.host.signals import end_if_stop_is_wanted
from server.journal.buffer import Buffer
from server.journal.journal import Journal
from server.journal.writer import JournalWriter
from server.state.region.region import Region
from server.state.replay import Progress, Replay, ReplayError
from server.state.snapshots import SnapshotFiles

_LOG = structlog.get_logger(__name__)


def bring_up_to_date(
    region: Region, writer: JournalWriter, reader: TransactionReader, snapshots: SnapshotFiles | None = None
) -> None:
    """Lets everything enter a region that the journal has and the region lacks; nobody else uses either.

    It begins with the newest snapshot where the region has less than that. A region that is of another
    journal, or ahead of this one, is begun anew. Raises ReplayError, `kuntur.journal.file.JournalError`, and
    `server.host.signals.StopWantedError`, after which the next start goes on.
    """
    history, buffer = region.history, writer.buffer
    last = buffer.next_sequence - 1
    contained, _ = history.contains
    if snapshots is not None:
        snapshots.remove_beyond(buffer.journal, last)
    if history.journal != buffer.journal:
        _take_up(region, buffer)
    elif contained > last:
        _LOG.error(
            "the journal has lost entries that the history contains: it is made anew from what is left",
            contained=contained,
            last_entry=last,
        )
        region.clear()
        history.belongs_to(buffer.journal, 0)
    contained, _ = history.contains
    if snapshots is not None and contained < last:
        if not snapshots.load_newest(region, buffer.journal, contained, last):
            history.belongs_to(buffer.journal, history.contains[0])
        contained, _ = history.contains
    if contained == last and (last or history.transactions_known() or not worker_parts(writer.directory)):
        return
    _LOG.info("the history is brought up to date from the journal", entries=last - contained)
    files = journal_files(writer.directory)
    if files and (first := first_sequence(files[0])) > contained + 1:
        _LOG.error(
            "the history begins with the oldest entry of the journal and lacks what was before: the files of "
            "that were removed, and no snapshot of these settings has it",
            first_missing=contained + 1,
            first_entry=first,
        )

    def tell(progress: Progress) -> None:
        rate = progress.entries / progress.seconds
        _LOG.info(
            "the history is being brought up to date",
            entry=progress.last,
            last_entry=last,
            entries_a_second=round(rate),
            left_s=round((last - progress.last) / rate),
        )

    replay = Replay(history, region.zone.offsets, reader, writer.find, region.mend)
    entered = replay.enter(writer.entries_from(contained + 1), tell, end_if_stop_is_wanted)
    history.belongs_to(buffer.journal, last)
    _LOG.info("the history is up to date", entries=entered, last_entry=last)


def _take_up(region: Region, buffer: Buffer) -> None:
    """Makes a region one of a journal: a new one, or one that is begun anew."""
    history = region.history
    empty = history.transactions_known() == 0 and not any(history.records_in_use().values())
    if not empty and buffer.next_sequence > 1:
        _LOG.warning("the history is not of this journal: it is made anew from the journal")
        region.clear()
    elif not empty:
        _LOG.warning(
            "the journal begins now, and the history has what was before, which it would lack if it were "
            "made anew from the journal"
        )
    history.begin_journal(buffer.journal)


def catching_up(region: Region, journal: Journal, reader: TransactionReader) -> Callable[[], None]:
    """Returns what lets the entries enter that a process wrote and died over; the lock is held around it."""
    history, buffer = region.history, journal.buffer

    def missing() -> Iterator[journal_pb2.Entry]:
        for sequence in range(history.contains[0] + 1, buffer.next_sequence):
            entry = journal.find(sequence)
            if entry is None:
                raise ReplayError(f"entry {sequence:,} of the journal is gone before it entered the history")
            yield entry

    def catch_up() -> None:
        if history.journal != buffer.journal:  # the counters were damaged, and with them what it contains
            history.belongs_to(buffer.journal, buffer.next_sequence - 1)
            return
        Replay(history, region.zone.offsets, reader, journal.find, region.mend).enter(list(missing()))

    return catch_up
