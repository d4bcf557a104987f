"""The journal in files, written by a thread of its own."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from kuntur.journal.v1 import journal_pb2
from kuntur.journal_file import JournalFileWriter
from server.journal.journal import ExchangeKind, Journal, JournalFailedError

_LOG = structlog.get_logger(__name__)
_MAX_BATCH = 1024
_CHECK_INTERVAL_S = 1.0

_Exchange = tuple[ExchangeKind, bytes, bytes, int]


class FileJournal(Journal):
    """A `Journal` in `kuntur.journal_file`'s form.

    A bounded queue stands before the writer: when the disk is slower than the callers, they wait. An
    answer may leave before its entry is on the disk, by at most the interval between two syncs.
    """

    def __init__(
        self,
        directory: Path,
        *,
        max_queued: int,
        max_file_bytes: int,
        sync_interval_s: float,
        on_failure: Callable[[], None] = lambda: None,
    ) -> None:
        """Opens the journal. Raises OSError and `kuntur.journal_file.JournalError`.

        on_failure: called once when the journal cannot be written any more.
        """
        self._writer = JournalFileWriter(directory, max_file_bytes=max_file_bytes)
        if torn := self._writer.torn_tail:
            self.set_aside_bytes = torn.size
            _LOG.warning(
                "torn tail of the journal set aside: bytes that are no entry, and no valid entry behind them",
                file=str(torn.path),
                offset=torn.offset,
                bytes=torn.size,
                cause=torn.cause,
                next_entry=self._writer.next_sequence,
                set_aside=str(torn.aside),
            )
        self._queue: queue.Queue[_Exchange | None] = queue.Queue(max_queued)
        self._sync_interval_s = sync_interval_s
        self._on_failure = on_failure
        self._failed = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._write, name="journal-writer", daemon=True)
        self._thread.start()

    def append(self, kind: ExchangeKind, request: bytes, response: bytes) -> None:
        """Takes one exchange; waits while the queue is full. Raises JournalFailedError."""
        exchange = (kind, request, response, time.time_ns())
        while not self._failed.is_set():
            try:
                self._queue.put(exchange, timeout=_CHECK_INTERVAL_S)
            except queue.Full:
                continue
            return
        raise JournalFailedError("the journal cannot be written any more")

    def close(self) -> None:
        """Writes all that was taken, syncs and closes."""
        if self._closed:
            return
        self._closed = True
        while self._thread.is_alive():
            try:
                self._queue.put(None, timeout=_CHECK_INTERVAL_S)
            except queue.Full:
                continue
            break
        self._thread.join()

    @property
    def queued(self) -> int:
        """Entries taken and not yet written."""
        return self._queue.qsize()

    @property
    def behind(self) -> bool:
        """Whether the queue is half full."""
        return 2 * self._queue.qsize() >= self._queue.maxsize

    def _write(self) -> None:
        try:
            self._write_until_closed()
        except Exception:
            self._failed.set()
            _LOG.exception("the journal cannot be written any more")
            self._on_failure()

    def _write_until_closed(self) -> None:
        synced, dirty, closing = time.monotonic(), False, False
        while not closing:
            batch = self._take(synced + self._sync_interval_s - time.monotonic() if dirty else None)
            closing = None in batch
            self._writer.append([_entry(exchange) for exchange in batch if exchange is not None])
            dirty = dirty or bool(batch)
            if dirty and time.monotonic() - synced >= self._sync_interval_s:
                self._writer.sync()
                synced, dirty = time.monotonic(), False
        self._writer.close()

    def _take(self, timeout_s: float | None) -> list[_Exchange | None]:
        """Waits for an exchange and gives it with all that queue behind it; none after the time-out."""
        batch: list[_Exchange | None] = []
        try:
            batch.append(self._queue.get(timeout=None if timeout_s is None else max(0.0, timeout_s)))
            while len(batch) < _MAX_BATCH and batch[-1] is not None:
                batch.append(self._queue.get_nowait())
        except queue.Empty:
            pass
        return batch


def _entry(exchange: _Exchange) -> journal_pb2.Entry:
    kind, request, response, written_ns = exchange
    entry = journal_pb2.Entry(
        **{kind.value: journal_pb2.Exchange(request=request, response=response)}  # type: ignore[arg-type]
    )
    entry.written_time.FromNanoseconds(written_ns)
    return entry
