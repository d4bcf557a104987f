"""Writes the journal on a thread of its own, behind a bounded queue.

The files themselves are `kuntur.journal.file`'s, exchanges on their way to the disk are `keeper`'s.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from kuntur.journal.file import JournalError, JournalFileWriter
from server.host.file_limit import check_file_limit
from server.journal.journal import ExchangeKind, Journal
from server.journal.keeper import Exchange, Keeper

_LOG = structlog.get_logger(__name__)
_MAX_BATCH = 1024
_LOOK_S = 1.0  # between two looks at the directory and at the room in its file system
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0  # between two tries to write again
_STEADY_S = 30.0  # after so long without a failure the pauses begin anew
_LAST_TRIES_S = 3.0
_LARGEST_ENTRY_BYTES = 32 << 20


class FileJournal(Journal):
    """A `Journal` in `kuntur.journal.file`'s form.

    A bounded queue stands before the writer: when the disk is slower than the callers, they wait. An
    answer may leave before its entry is on the disk, by at most the interval between two syncs; until then
    the entry is kept in memory. When the journal cannot be written (the disk is full, the directory gone)
    it is `unavailable`, keeps what it has taken, tries again by itself, and is available once all is on disk.
    """

    def __init__(
        self,
        directory: Path,
        *,
        max_queued: int,
        max_file_bytes: int,
        sync_interval_s: float,
        min_free_bytes: int = 0,
        servers_lock: int | None = None,
        on_change: Callable[[bool], None] = lambda _: None,
    ) -> None:
        """Opens the journal. Raises OSError and `kuntur.journal.file.JournalError`.

        servers_lock: as `JournalFileWriter` takes it; on_change: told, by the writing thread, whenever the
        journal becomes unavailable (False) and available again (True). Where there is no room it starts as
        unavailable.
        """
        check_file_limit(str(directory / "journal-….kj"), _LARGEST_ENTRY_BYTES)
        writer = JournalFileWriter(directory, max_file_bytes=max_file_bytes, servers_lock=servers_lock)
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
        self._directory = directory
        self._keeper = Keeper(writer, directory, min_free_bytes, self._lost)
        self._queue: queue.SimpleQueue[Exchange | None] = queue.SimpleQueue()
        self._max_queued = max_queued
        self._room = threading.Condition()
        self._sync_interval_s = sync_interval_s
        self._on_change = on_change
        self._closing = threading.Event()
        self._pause_s, self._available_since = _FIRST_PAUSE_S, time.monotonic()
        self.unavailable: str | None = None
        self.interruptions = 0
        """How often it became unavailable."""
        self.entries_lost = 0
        """Entries that were written, in files that were removed, renamed or replaced under the server."""
        try:
            self._keeper.look()
        except OSError as error:
            self._interrupted(error)
        self._thread = threading.Thread(target=self._run, name="journal-writer", daemon=True)
        self._thread.start()

    def append(self, kind: ExchangeKind, request: bytes, response: bytes) -> None:
        """Takes one exchange; waits while the queue is full, but not while the journal is unavailable."""
        if self._queue.qsize() >= self._max_queued:
            with self._room:
                while self._queue.qsize() >= self._max_queued and self.unavailable is None:
                    self._room.wait(_LOOK_S)
        self._queue.put((kind, request, response, time.time_ns()))

    def close(self) -> None:
        """Writes all that was taken, syncs and closes; says how much could not be written."""
        if not self._closing.is_set():
            self._closing.set()
            self._queue.put(None)
        self._thread.join()

    @property
    def queued(self) -> int:
        """Entries taken and not yet written."""
        return self._queue.qsize() + self._keeper.unwritten

    @property
    def kept(self) -> int:
        """Entries, written or not, that are not known to be on the disk; without those in the queue."""
        return self._keeper.unsynced

    @property
    def behind(self) -> bool:
        """Whether the queue is half full."""
        return 2 * self._queue.qsize() >= self._max_queued

    def _run(self) -> None:
        while self.unavailable is None or self._regained():
            try:
                self._write_until_closed()
            except Exception as error:
                self._interrupted(error)
                continue
            break
        try:
            self._keeper.close()
        except OSError as error:
            _LOG.error("the journal could not be closed", reason=_told(error))

    def _write_until_closed(self) -> None:
        keeper = self._keeper
        synced = looked = time.monotonic()
        while True:
            due = looked + _LOOK_S
            if keeper.unsynced:
                due = min(due, synced + self._sync_interval_s)
            keeper.write(self._take(due - time.monotonic()))
            now = time.monotonic()
            closing = self._closing.is_set() and self._queue.empty()
            if keeper.unsynced and (closing or keeper.full or now - synced >= self._sync_interval_s):
                keeper.sync()
                synced = time.monotonic()
            if closing:
                return
            if now - looked >= _LOOK_S:
                keeper.look()
                looked = now

    def _take(self, timeout_s: float) -> list[Exchange]:
        """Waits for an exchange and returns it with all that queue behind it; none after the timeout."""
        batch: list[Exchange] = []
        try:
            timeout_s = 0.0 if self._closing.is_set() else max(0.0, timeout_s)
            exchange = self._queue.get(timeout=timeout_s)
            while True:
                if exchange is not None:
                    batch.append(exchange)
                if len(batch) >= _MAX_BATCH:
                    break
                exchange = self._queue.get_nowait()
        except queue.Empty:
            pass
        if batch:
            with self._room:
                self._room.notify_all()
        return batch

    def _interrupted(self, error: Exception) -> None:
        """Has calls refused from now on, until everything that was taken is written."""
        if time.monotonic() - self._available_since > _STEADY_S:
            self._pause_s = _FIRST_PAUSE_S
        self.interruptions += 1
        self.unavailable = _told(error)
        with self._room:  # those who wait have been counted: they are taken
            self._room.notify_all()
        self._tell_reason("the journal cannot be written: calls are refused until it can", error)
        self._on_change(False)

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
            batch: list[Exchange] = []
            while more := self._take(0.0):
                batch += more
            kept = self._keeper.unsynced + len(batch)
            if give_up_at is not None and not kept:
                return False
            try:
                self._keeper.regain(batch)
            except Exception as error:
                if (told := _told(error)) != self.unavailable:
                    self.unavailable = told
                    self._tell_reason("the journal still cannot be written", error)
                if give_up_at is not None and time.monotonic() >= give_up_at:
                    _LOG.error(
                        "the journal ends without entries of calls that were answered",
                        directory=str(self._directory),
                        entries=self._keeper.unwritten,
                        reason=told,
                    )
                    return False
                continue
            self._available_since, self.unavailable = time.monotonic(), None
            _LOG.warning(
                "the journal is written again: calls are answered",
                directory=str(self._directory),
                entries_kept=kept,
                after_s=round(self._available_since - began, 1),
            )
            self._on_change(True)
            return True

    def _tell_reason(self, event: str, error: Exception) -> None:
        expected = isinstance(error, OSError | JournalError)
        _LOG.error(
            event,
            directory=str(self._directory),
            reason=_told(error),
            exc_info=None if expected else error,
        )

    def _lost(self, entries: int) -> None:
        self.entries_lost += entries
        _LOG.error(
            "the journal was removed, renamed or replaced under the server: it goes on in a new file, and "
            "what was in the directory or file before is not in the journal any more",
            directory=str(self._directory),
            entries_of_the_last_file=entries,
        )


def _told(error: Exception) -> str:
    """Returns what is wrong, and with which file."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) if isinstance(error, OSError | JournalError) else type(error).__name__
