"""The journal as files: what the server writes and the trainer reads.

A journal is a directory of files `journal-<sequence of the first entry, 20 digits>.kj`, each a header and
records, as `kuntur.journal.layout` says. Sequences run from 1 through all files without a gap but those that
a repair left, which the header of the file behind it counts. When a file is synced, and what goes into it,
is left to the server; repair to `kuntur.journal.repair`.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from kuntur.journal.errors import (
    CorruptJournalError,
    JournalError,
    TornTailError,
    UnknownRevisionError,
    repair_hint,
)
from kuntur.journal.layout import Header
from kuntur.journal.records import JournalFile, Record, first_sequence
from kuntur.journal.tail import corrupt, file_name, journal_files, recover_end
from kuntur.journal.v1 import journal_pb2

__all__ = [
    "CorruptJournalError",
    "JournalError",
    "JournalFileWriter",
    "Loss",
    "TornTailError",
    "UnknownRevisionError",
    "file_name",
    "journal_files",
    "lock_journal",
    "read_entries",
]

_LOCK = "writer.lock"


@dataclass(frozen=True, slots=True)
class Loss:
    """What a reader had to go without.

    Either bytes of a torn tail, of which nobody can say how many entries they were (`entries` is 0), or
    entries that a repair found lost (`size` is 0).
    """

    path: Path
    offset: int
    size: int
    entries: int
    cause: str

    def told(self) -> str:
        """Returns it as a sentence."""
        if self.entries:
            what = (
                "1 entry in front of it is" if self.entries == 1 else f"{self.entries:,} entries in front are"
            )
            return f"{self.path}: {what} lost: {self.cause}"
        where = f"{self.size:,} bytes from byte {self.offset:,} on"
        return f"{self.path}: {where} are no entries and were not read: {self.cause}"


def read_entries(
    directory: Path, *, allow_torn_tail: bool = False, lost: Callable[[Loss], None] = lambda _: None
) -> Iterator[journal_pb2.Entry]:
    """Yields the entries of a journal in order.

    allow_torn_tail: whether a torn tail is taken for the end, as a reader beside a running server must;
    lost: called with it then, and with entries that a repair found lost. Raises TornTailError for a tail
    otherwise, CorruptJournalError for anything else that is wrong, each after the entries before it.
    """
    files = journal_files(directory)
    expected = first_sequence(files[0]) if files else 1
    for path, following in zip(files, [*files[1:], None], strict=False):
        below = None if following is None else first_sequence(following)
        with JournalFile(path) as file:
            if file.first_sequence != expected:
                raise _missing(path, expected, file.first_sequence)
            if file.header.lost:
                expected += file.header.lost
                lost(Loss(path, 0, 0, file.header.lost, "a repair of the journal went on without them"))
            items = file.items(below)
            for item in items:
                if isinstance(item, Record):
                    yield item.entry
                    expected = item.sequence + 1
                elif not item.is_tail or following is not None:
                    rest = item.misplaced + sum(isinstance(other, Record) for other in items)
                    raise corrupt(path, item, rest)
                elif allow_torn_tail:
                    lost(Loss(path, item.offset, item.end - item.offset, 0, item.cause))
                else:
                    raise TornTailError(path, item.offset, item.cause)


def _missing(path: Path, expected: int, found: int) -> CorruptJournalError:
    if found < expected:
        return CorruptJournalError(path, 0, f"the files before it reach to entry {expected - 1:,} already")
    hint = repair_hint(path, "goes on without them")
    what = f"entries {expected:,} to {found - 1:,} are missing" if found - 1 > expected else ""
    what = what or f"entry {expected:,} is missing"
    return CorruptJournalError(
        path, 0, f"{what} in front of this file; bring it back from elsewhere, or: {hint}"
    )


class JournalFileWriter:
    """Appends entries. One writer a directory, which a lock sees to; one thread a writer.

    Opening sets a torn tail aside and goes on in a new file. Files and directories that it makes are
    readable by their owner alone.
    """

    def __init__(self, directory: Path, *, max_file_bytes: int = 256 << 20) -> None:
        """Opens the journal of a directory, which is made when it is not there.

        max_file_bytes: size from which the next entry goes into a new file. Raises JournalError when the
        last file is damaged otherwise than by a torn tail, OSError also when another writer has the
        directory.
        """
        _make_private(directory)
        self._directory = directory
        self._lock = _locked(directory)
        self._max_file_bytes = max_file_bytes
        try:
            end = recover_end(directory)
        except BaseException:
            self._lock.close()
            raise
        self.next_sequence = end.next_sequence
        """Sequence of the next entry."""
        self.torn_tail = end.torn
        """The torn tail that opening set aside, None where there was none."""
        self._hollow = end.hollow
        self._header = Header.new()
        self._file: BinaryIO | None = None
        self._size = 0

    def append(self, entries: Sequence[journal_pb2.Entry]) -> None:
        """Gives entries their sequence and writes them to the operating system. Raises OSError."""
        parts: list[bytes] = []
        for entry in entries:
            if self._file is None or self._size >= self._max_file_bytes:
                self._flush(parts)
                self._open_next()
            entry.sequence = self.next_sequence
            payload = entry.SerializeToString()
            head = self._header.pack_head(payload)
            parts.append(head)
            parts.append(payload)
            self._size += len(head) + len(payload)
            self.next_sequence += 1
        self._flush(parts)

    def sync(self) -> None:
        """Waits until what was appended is on the disk."""
        if self._file is not None:
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Syncs and closes, and leaves the directory to other writers. Twice is once."""
        try:
            self._close_file()
        finally:
            self._lock.close()

    def _close_file(self) -> None:
        if self._file is not None:
            self.sync()
            self._file.close()
            self._file = None

    def _flush(self, parts: list[bytes]) -> None:
        if parts and self._file is not None:
            self._file.write(b"".join(parts))
            self._file.flush()
            parts.clear()

    def _open_next(self) -> None:
        self._close_file()
        path = self._directory / file_name(self.next_sequence)
        # Entries are never written over: only a file without any may be there already.
        self._file = _open_private(path, os.O_WRONLY | (os.O_TRUNC if path == self._hollow else os.O_EXCL))
        self._header = Header.new()
        self._file.write(self._header.pack())
        self._file.flush()
        self._size = self._header.size
        descriptor = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)  # the file's name must outlive a crash as its bytes do
        finally:
            os.close(descriptor)


def lock_journal(directory: Path) -> BinaryIO:
    """Keeps writers away until what this returns is closed. Raises OSError, of EBUSY where there is one."""
    return _locked(directory)


def _locked(directory: Path) -> BinaryIO:
    """Takes the lock of a journal's writer, which ends with the process. Raises OSError."""
    lock = _open_private(directory / _LOCK, os.O_WRONLY | os.O_APPEND)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        message = "another server writes this journal; give each a directory of its own"
        raise OSError(errno.EBUSY, message, str(directory)) from error
    except BaseException:
        lock.close()
        raise
    return lock


def _make_private(directory: Path) -> None:
    """Makes a directory, and those above it that are missing, for its owner alone. Raises OSError."""
    if not directory.is_dir():
        if directory.parent != directory:
            _make_private(directory.parent)
        directory.mkdir(mode=0o700, exist_ok=True)


def _open_private(path: Path, flags: int) -> BinaryIO:
    """Opens a file to write, made for its owner alone: entries hold personal data. Raises OSError."""
    return os.fdopen(os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, 0o600), "wb")
