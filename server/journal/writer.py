"""Takes the entries of a buffer to the journal's files, on a thread of its own: one for a whole server.

The files themselves are `kuntur.journal.file`'s. An entry stays in the buffer until it is known to be on the
disk, so a write that fails is made again from there.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import structlog

from kuntur.journal.file import JournalError, JournalFileWriter, find_record
from kuntur.journal.sealing import KeyRing
from kuntur.journal.v1 import journal_pb2
from kuntur.journal.workers import read_server_journal
from server.host.file_limit import check_file_limit
from server.journal.buffer import Buffer, JournalBufferError
from server.journal.encryption import keys_of
from server.journal.form import first_unsynced
from server.settings.sections import JournalSettings

_LOG = structlog.get_logger(__name__)
_MAX_BATCH = 1024
_LOOK_S = 1.0  # between two looks at the directory and at the room in its file system
_IDLE_S = 0.02  # between two looks into an empty buffer
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0  # between two tries to write again
_STEADY_S = 30.0  # after so long without a failure the pauses begin anew
_LAST_TRIES_S = 3.0
_LARGEST_ENTRY_BYTES = 32 << 20
_SYNC_AT = 0.25  # how full the buffer may become before what is in it is synced at once
_MARGIN = 1.25  # room to go on with, so that it does not stop again at once


class JournalWriter:
    """Writes the journal of a server.

    When the files cannot be written (the disk is full, the directory gone) the buffer is marked as
    unavailable; it tries again by itself, and the mark goes once all is on the disk.
    """

    def __init__(
        self,
        directory: Path,
        *,
        buffer_bytes: int,
        max_file_bytes: int,
        sync_interval_s: float,
        min_free_bytes: int = 0,
        at_once: bool = False,
        keys: KeyRing | None = None,
    ) -> None:
        """Opens the files and the buffer; `start` begins to write.

        at_once: whether everything is synced as soon as it is written, and not at intervals; keys: of the
        files, which are then encrypted. Raises OSError, JournalBufferError and
        `kuntur.journal.file.JournalError`.
        """
        check_file_limit(str(directory / "journal-….kj"), _LARGEST_ENTRY_BYTES)
        self._writer = writer = JournalFileWriter(
            directory, max_file_bytes=max_file_bytes, keys=keys, unsynced=first_unsynced(directory)
        )
        self.set_aside_bytes = 0
        """Bytes of a torn tail that opening set aside."""
        if torn := writer.torn_tail:
            self.set_aside_bytes = torn.size
            _LOG.warning(
                "torn tail of the journal set aside: bytes that are no entry, and no valid entry behind them",
                file=str(torn.path),
                offset=torn.offset,
                bytes=torn.size,
                cause=torn.cause,
                next_entry=writer.next_sequence,
                set_aside=str(torn.aside),
            )
        try:
            number = int.from_bytes(os.urandom(7), "little") | 1
            self.buffer = Buffer.open(directory, buffer_bytes, writer.next_sequence, number)
        except BaseException:
            writer.close()
            raise
        self.directory, self._min_free_bytes, self._keys = directory, min_free_bytes, keys
        self._in_files = writer.next_sequence  # at the start
        self._sync_interval_s = 0.0 if at_once else sync_interval_s
        self._idle_s = _IDLE_S / 20 if at_once else _IDLE_S
        self._closing = threading.Event()
        self._pause_s, self._available_since = _FIRST_PAUSE_S, time.monotonic()
        self.unavailable: str | None = None
        """Why the files cannot be written; None while they can."""
        self.interruptions = 0
        """How often they could not."""
        self.entries_lost = 0
        """Entries that were written, in files that were removed, renamed or replaced under the server."""
        try:
            self._look()
        except OSError as error:
            self._interrupted(error)
        self._thread = threading.Thread(target=self._run, name="journal-writer", daemon=True)

    @classmethod
    def of(cls, directory: Path, settings: JournalSettings) -> Self:
        """Opens the journal that the settings describe, in a directory. Raises as the constructor does."""
        return cls(
            directory,
            buffer_bytes=settings.buffer_bytes,
            max_file_bytes=settings.max_file_bytes,
            sync_interval_s=settings.sync_interval_s,
            min_free_bytes=settings.min_free_bytes,
            at_once=settings.durability == "disk",
            keys=keys_of(settings),
        )

    def entries_from(self, sequence: int) -> Iterator[journal_pb2.Entry]:
        """Yields the entries from one on, those of the files and then those of the buffer. Before `start`.

        Those of earlier releases, in the folders of workers, come with the first. Raises
        `kuntur.journal.file.JournalError`.
        """
        yield from read_server_journal(self.directory, first=sequence, keys=self._keys)
        for raw in self.buffer.kept(1 << 62, max(sequence, self._in_files)):
            yield journal_pb2.Entry.FromString(raw)

    def find(self, sequence: int) -> journal_pb2.Entry | None:
        """Returns an entry; None when it is in no file any more."""
        return self.buffer.find(sequence) or find_record(self.directory, sequence, self._keys)

    def start(self) -> None:
        """Begins to write."""
        self._thread.start()

    def close(self) -> None:
        """Writes all that is in the buffer, syncs and closes; says how much could not be written."""
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join()
        else:
            self._writer.close()
        self.buffer.close()

    def _run(self) -> None:
        while self.unavailable is None or self._regained():
            try:
                self._write_until_closed()
            except Exception as error:
                self._interrupted(error)
                continue
            break
        try:
            self._writer.close()
        except OSError as error:
            _LOG.error("the journal could not be closed", reason=_told(error))

    def _write_until_closed(self) -> None:
        writer, buffer = self._writer, self.buffer
        synced = looked = time.monotonic()
        while True:
            closing = self._closing.is_set()
            wrote = self._write()
            now = time.monotonic()
            unsynced = writer.synced_sequence < writer.next_sequence
            due = now - synced >= self._sync_interval_s or buffer.filled > _SYNC_AT
            if unsynced and (due or closing):
                self._sync()
                synced = time.monotonic()
            if closing and writer.synced_sequence == buffer.next_sequence:
                return
            if now - looked >= _LOOK_S:
                self._look()
                looked = now
            if not wrote:
                self._closing.wait(self._idle_s)

    def _write(self) -> int:
        """Writes what is not in the files, up to a batch, and returns how many entries those were."""
        batch = list(self.buffer.kept(_MAX_BATCH, self._writer.next_sequence))
        if batch:
            self._writer.append(batch)
        return len(batch)

    def _sync(self) -> None:
        self._writer.sync()
        self.buffer.free(self._writer.synced_sequence)

    def _look(self) -> None:
        self._writer.check_place()
        self._check_room(self._min_free_bytes)

    def _interrupted(self, error: Exception) -> None:
        """Has calls refused from now on, until everything that was taken is written."""
        if time.monotonic() - self._available_since > _STEADY_S:
            self._pause_s = _FIRST_PAUSE_S
        self.interruptions += 1
        self.unavailable = _told(error)
        self.buffer.unavailable = True
        self._tell_reason("the journal cannot be written: calls are refused until it can", error)

    def _regained(self) -> bool:
        """Tries to write again, less and less often; returns False when the journal is closed before it can.

        A short success does not shorten the pause, which bounds how often the state changes and is logged.
        """
        began, give_up_at = time.monotonic(), None
        while True:
            if self._closing.is_set():
                give_up_at = give_up_at or time.monotonic() + _LAST_TRIES_S
                time.sleep(_FIRST_PAUSE_S)
            else:
                self._closing.wait(self._pause_s)
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
            if give_up_at is not None and not self.buffer.queued:
                return False
            kept = self.buffer.queued
            try:
                self._regain()
            except Exception as error:
                if (told := _told(error)) != self.unavailable:
                    self.unavailable = told
                    self._tell_reason("the journal still cannot be written", error)
                if give_up_at is not None and time.monotonic() >= give_up_at:
                    _LOG.error(
                        "the journal's files end before entries of calls that were answered: these stay in "
                        "the buffer beside the files, until a server is started there",
                        directory=str(self.directory),
                        entries=self.buffer.queued,
                        reason=told,
                    )
                    return False
                continue
            self._available_since, self.unavailable = time.monotonic(), None
            self.buffer.unavailable = False
            _LOG.warning(
                "the journal is written again: calls are answered",
                directory=str(self.directory),
                entries_kept=kept,
                after_s=round(self._available_since - began, 1),
            )
            return True

    def _regain(self) -> None:
        lost = self._writer.resume()
        if lost is not None:
            self._lost(lost)
        while self._write():
            pass
        self._sync()
        self._check_room(int(self._min_free_bytes * _MARGIN))

    def _check_room(self, least_bytes: int) -> None:
        state = os.statvfs(self.directory)
        free = state.f_bavail * state.f_frsize
        if free < least_bytes and state.f_blocks:  # some file systems do not tell: all is 0 there
            message = (
                f"less than {self._min_free_bytes / 2**20:,.1f} MiB (journal.min_free_bytes) of the file "
                "system are free: make room, a quarter more than that"
            )
            raise OSError(errno.ENOSPC, message, str(self.directory))

    def _tell_reason(self, event: str, error: Exception) -> None:
        expected = isinstance(error, OSError | JournalError | JournalBufferError)
        _LOG.error(
            event,
            directory=str(self.directory),
            reason=_told(error),
            exc_info=None if expected else error,
        )

    def _lost(self, entries: int) -> None:
        self.entries_lost += entries
        _LOG.error(
            "the journal was removed, renamed or replaced under the server: it goes on in a new file, and "
            "what was in the directory or file before is not in the journal any more",
            directory=str(self.directory),
            entries_of_the_last_file=entries,
        )


def _told(error: Exception) -> str:
    """Returns what is wrong, and with which file."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return (
        str(error) if isinstance(error, OSError | JournalError | JournalBufferError) else type(error).__name__
    )
