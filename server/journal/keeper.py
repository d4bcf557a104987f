"""Exchanges on their way to the disk: each is kept in memory until it is known to be there."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from kuntur.journal.file import JournalFileWriter
from kuntur.journal.v1 import journal_pb2
from server.journal.journal import ExchangeKind

Exchange = tuple[ExchangeKind, bytes, bytes, int]
"""Kind, request, response, and when it was taken, in nanoseconds since 1970."""
_MOST_UNSYNCED_BYTES = 32 << 20
_MARGIN = 1.25  # room to go on with, so that it does not stop again at once


class Keeper:
    """Writes exchanges. For one thread; after an exception nothing is lost, and `regain` goes on."""

    def __init__(
        self, writer: JournalFileWriter, directory: Path, min_free_bytes: int, on_lost: Callable[[int], None]
    ) -> None:
        """Takes where to write, and what is told how many entries were in a file that is gone."""
        self._writer, self._directory, self._min_free_bytes = writer, directory, min_free_bytes
        self._on_lost = on_lost
        self._kept: list[Exchange] = []
        self._first = writer.next_sequence  # sequence of the first that is kept
        self._bytes = 0

    @property
    def unwritten(self) -> int:
        """How many exchanges are not written. Any thread."""
        return max(0, len(self._kept) - (self._writer.next_sequence - self._first))

    @property
    def unsynced(self) -> int:
        """How many exchanges are not known to be on the disk."""
        return len(self._kept)

    @property
    def full(self) -> bool:
        """Whether so much is kept that it should be synced now."""
        return self._bytes >= _MOST_UNSYNCED_BYTES

    def write(self, exchanges: Sequence[Exchange]) -> None:
        """Keeps exchanges, and writes all that are not written yet. Raises OSError."""
        self._keep(exchanges)
        left = self._kept[self._writer.next_sequence - self._first :]
        if left:
            first = self._writer.next_sequence
            self._writer.append([_payload(exchange, number) for number, exchange in enumerate(left, first)])

    def sync(self) -> None:
        """Waits until all is on the disk, in the place where it belongs. Raises OSError."""
        self._writer.sync()
        self._let_go()

    def look(self) -> None:
        """Raises OSError when the journal is no longer in its place, or there is little room left."""
        self._writer.check_place()
        self._check_room(self._min_free_bytes)

    def regain(self, exchanges: Sequence[Exchange]) -> None:
        """Writes what is kept, and these exchanges too, after a failure.

        Raises OSError and `kuntur.journal.file.JournalError`.
        """
        self._keep(exchanges)
        self._let_go()
        lost = self._writer.resume()
        if lost is not None:
            self._on_lost(lost)
            self._first = self._writer.next_sequence
        self.write(())
        self.sync()
        self._check_room(int(self._min_free_bytes * _MARGIN))

    def close(self) -> None:
        """Syncs what was written, and closes the journal. Raises OSError."""
        self._writer.close()

    def _keep(self, exchanges: Sequence[Exchange]) -> None:
        self._kept += exchanges
        self._bytes += sum(len(request) + len(response) for _, request, response, _ in exchanges)

    def _let_go(self) -> None:
        """Forgets what is synced, by `sync` or because a new file was begun."""
        synced = self._writer.synced_sequence - self._first
        if synced:
            del self._kept[:synced]
            self._first += synced
            self._bytes = sum(len(request) + len(response) for _, request, response, _ in self._kept)

    def _check_room(self, least_bytes: int) -> None:
        state = os.statvfs(self._directory)
        free = state.f_bavail * state.f_frsize
        if free < least_bytes and state.f_blocks:  # some file systems do not tell: all is 0 there
            message = (
                f"less than {self._min_free_bytes / 2**20:,.1f} MiB (journal.min_free_bytes) of the file "
                "system are free: make room, a quarter more than that"
            )
            raise OSError(errno.ENOSPC, message, str(self._directory))


def _payload(exchange: Exchange, sequence: int) -> bytes:
    kind, request, response, written_ns = exchange
    entry = journal_pb2.Entry(
        sequence=sequence,
        **{kind.value: journal_pb2.Exchange(request=request, response=response)},  # type: ignore[arg-type]
    )
    entry.written_time.FromNanoseconds(written_ns)
    return entry.SerializeToString()
