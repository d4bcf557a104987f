"""The journal of a process that serves: its own files and buffer, or those that it shares."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from server.journal import Buffer, Journal, JournalWriter, MemoryJournal, SharedJournal
from server.journal.encryption import keys_of
from server.settings.config import ServerSettings


class Shared(NamedTuple):
    """What the processes of a server share.

    buffer: descriptor of the journal's buffer; region: of the history, None where that is elsewhere; checks:
    whether this process is the one that checks the history in the background.
    """

    buffer: int
    region: int | None
    checks: bool


def open_writer(settings: ServerSettings) -> JournalWriter | None:
    """Opens the journal's files, None where none are kept. Raises as `JournalWriter` does."""
    journal = settings.journal
    return None if journal.path is None else JournalWriter.of(journal.path, journal)


def buffer_of(settings: ServerSettings, shared: Shared | None, writer: JournalWriter | None) -> Buffer:
    """Returns the buffer that is shared, that of the files, or one in memory."""
    if shared is not None:
        return Buffer.attach(shared.buffer)
    if writer is not None:
        return writer.buffer
    return Buffer.anonymous(settings.journal.buffer_bytes)


def open_journal(settings: ServerSettings, buffer: Buffer, on_change: Callable[[bool], None]) -> Journal:
    """Opens the journal over a buffer; on_change: told whether it can be written, whenever that changes."""
    journal = settings.journal
    if journal.path is None:
        return MemoryJournal(buffer)
    return SharedJournal(
        buffer, journal.path, keys_of(journal), to_disk=journal.durability == "disk", on_change=on_change
    )
