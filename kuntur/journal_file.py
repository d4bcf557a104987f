"""The journal as files: what the server writes and the trainer reads.

A journal is a directory of files `journal-<sequence of the first entry, 20 digits>.kj`. A file starts
with 16 bytes: the magic, the form's version and four bytes in reserve. Records follow, each

    uint32 length of the payload, uint32 CRC-32 of it, the payload: a serialised kuntur.journal.v1.Entry

little-endian. Sequences run from 1 through all files without a gap. When a file is synced, and what
goes into it, is left to the server.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from google.protobuf.message import DecodeError

from kuntur.journal.v1 import journal_pb2

MAGIC = b"KNTR-JNL"
FORMAT_VERSION = 1
MAX_PAYLOAD_BYTES = 256 << 20
_HEADER = struct.Struct("<8sII")
_RECORD = struct.Struct("<II")
_GLOB = "journal-*.kj"
_LOCK = "writer.lock"


class JournalError(Exception):
    """A journal that cannot be read: which file, at which byte, and what is wrong there."""

    def __init__(self, path: Path, offset: int, message: str) -> None:
        super().__init__(f"{path.name}, byte {offset:,}: {message}")
        self.path = path
        self.offset = offset
        self.message = message


class TornTailError(JournalError):
    """The last file ends within a record, as after a crash while it was written."""


class CorruptJournalError(JournalError):
    """Bytes of the journal are not those that were written, or entries are missing."""


def file_name(first_sequence: int) -> str:
    """Names the file whose first entry has this sequence."""
    return f"journal-{first_sequence:020d}.kj"


def journal_files(directory: Path) -> list[Path]:
    """Gives the files of a journal in order; none when there is no directory."""
    return sorted(directory.glob(_GLOB))


def read_entries(directory: Path, *, allow_torn_tail: bool = False) -> Iterator[journal_pb2.Entry]:
    """Gives the entries of a journal in order.

    allow_torn_tail: whether a record cut short at the very end is taken for the end. Raises
    TornTailError for it otherwise, CorruptJournalError for anything else that is wrong, each after the
    entries before it.
    """
    files = journal_files(directory)
    expected = _first_sequence(files[0]) if files else 1
    for path in files:
        if _first_sequence(path) != expected:
            raise CorruptJournalError(path, 0, f"entries from {expected} on are missing before this file")
        try:
            for entry, offset in _read_file(path):
                if entry.sequence != expected:
                    message = f"the entry is number {entry.sequence}, not {expected}"
                    raise CorruptJournalError(path, offset, message)
                yield entry
                expected += 1
        except TornTailError as error:
            if path is not files[-1]:
                raise CorruptJournalError(path, error.offset, error.message) from error
            if not allow_torn_tail:
                raise


class JournalFileWriter:
    """Appends entries. One writer a directory, which a lock sees to; one thread a writer.

    Opening cuts off a torn tail and goes on in a new file. Files and directories that it makes are
    readable by their owner alone.
    """

    def __init__(self, directory: Path, *, max_file_bytes: int = 256 << 20) -> None:
        """Opens the journal of a directory, which is made when it is not there.

        max_file_bytes: size from which the next entry goes into a new file. Raises CorruptJournalError
        when the last file is damaged otherwise than by a torn tail, OSError also when another writer has
        the directory.
        """
        _make_private(directory)
        self._directory = directory
        self._hollow: Path | None = None  # the last file, when opening found no entry in it
        self._lock = _locked(directory)
        self._max_file_bytes = max_file_bytes
        self.cut_bytes = 0
        """Bytes of a torn tail that opening cut off."""
        try:
            self.next_sequence = self._recover()
            """Sequence of the next entry."""
        except BaseException:
            self._lock.close()
            raise
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
            parts.append(_RECORD.pack(len(payload), zlib.crc32(payload)))
            parts.append(payload)
            self._size += _RECORD.size + len(payload)
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
        self._file.write(_HEADER.pack(MAGIC, FORMAT_VERSION, 0))
        self._file.flush()
        self._size = _HEADER.size
        descriptor = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)  # the file's name must outlive a crash as its bytes do
        finally:
            os.close(descriptor)

    def _recover(self) -> int:
        files = journal_files(self._directory)
        if not files:
            return 1
        last, sequence = files[-1], _first_sequence(files[-1])
        try:
            for entry, _ in _read_file(last):
                sequence = entry.sequence + 1
        except TornTailError as error:
            self.cut_bytes = last.stat().st_size - error.offset
            if error.offset < _HEADER.size:
                last.unlink()
            else:
                os.truncate(last, error.offset)
        if sequence == _first_sequence(last):
            self._hollow = last
        return sequence


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


def _first_sequence(path: Path) -> int:
    digits = path.stem.removeprefix("journal-")
    if not digits.isdecimal():
        raise CorruptJournalError(path, 0, "the name holds no sequence")
    return int(digits)


def _read_file(path: Path) -> Iterator[tuple[journal_pb2.Entry, int]]:
    """Gives each entry of a file and where its record starts."""
    with path.open("rb") as file:
        header = file.read(_HEADER.size)
        if len(header) < _HEADER.size:
            raise TornTailError(path, 0, "the file ends within its header")
        magic, version, _ = _HEADER.unpack(header)
        if magic != MAGIC:
            raise CorruptJournalError(path, 0, "this is no journal file")
        if version != FORMAT_VERSION:
            raise CorruptJournalError(path, 8, f"the form's version is {version}, not {FORMAT_VERSION}")
        offset = _HEADER.size
        while head := file.read(_RECORD.size):
            if len(head) < _RECORD.size:
                raise TornTailError(path, offset, "the file ends within a record")
            length, checksum = _RECORD.unpack(head)
            if length == 0 and not any(head) and not any(file.read()):
                raise TornTailError(path, offset, "the file ends with zeros")
            if not 0 < length <= MAX_PAYLOAD_BYTES:
                raise CorruptJournalError(path, offset, f"a record of {length:,} bytes cannot be")
            payload = file.read(length)
            if len(payload) < length:
                raise TornTailError(path, offset, "the file ends within a record")
            if zlib.crc32(payload) != checksum:
                raise CorruptJournalError(path, offset, "the record does not have its checksum")
            try:
                entry = journal_pb2.Entry.FromString(payload)
            except DecodeError as error:
                raise CorruptJournalError(path, offset, "the record holds no entry") from error
            yield entry, offset
            offset += _RECORD.size + length
