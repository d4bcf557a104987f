"""The journal as files: what the server writes and the trainer reads.

A journal is a directory of files `journal-<sequence of the first entry, 20 digits>.kj`. A file starts
with 16 bytes: the magic, the form's version and four bytes in reserve. Records follow, each

    uint32 length of the payload, uint32 CRC-32 of it, the payload: a serialised kuntur.journal.v1.Entry

little-endian. Sequences run from 1 through all files without a gap. When a file is synced, and what
goes into it, is left to the server.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import resource
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from google.protobuf.message import DecodeError

from kuntur.journal.v1 import journal_pb2
from kuntur.journal_lock import JournalLock, ServersLock
from kuntur.private_files import is_at, open_private

MAGIC = b"KNTR-JNL"
FORMAT_VERSION = 1
MAX_PAYLOAD_BYTES = 256 << 20
_HEADER = struct.Struct("<8sII")
_RECORD = struct.Struct("<II")
_GLOB = "journal-*.kj"


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

    What fails changes nothing that cannot be mended: after an OSError `next_sequence` tells which entries
    are written, and `synced_sequence` which are on the disk; append the others again, after `resume`.
    """

    def __init__(
        self, directory: Path, *, max_file_bytes: int = 256 << 20, servers_lock: int | None = None
    ) -> None:
        """Opens the journal of a directory, which is made when it is not there.

        max_file_bytes: size from which the next entry goes into a new file; servers_lock: descriptor of the
        lock of the directory above, of a worker. Raises CorruptJournalError when the last file is damaged
        otherwise than by a torn tail, OSError also when another writer has the directory.
        """
        self._directory = directory
        self._above = None if servers_lock is None else ServersLock(directory.parent, servers_lock)
        self._hollow: Path | None = None  # the last file, when opening found no entry in it
        self._lock = JournalLock(directory)
        self._max_file_bytes = max_file_bytes
        self.cut_bytes = 0
        """Bytes of a torn tail that opening cut off."""
        try:
            if self._above is not None and not self._above.holds:
                self._above.retake()
            self.next_sequence = self._recover()
            """Sequence of the next entry."""
        except BaseException:
            self._lock.close()
            raise
        self.synced_sequence = self.next_sequence
        """Sequence of the first entry that may not be on the disk."""
        self._file: int | None = None
        self._path = directory
        self._first = self.next_sequence  # of the file
        self._size = 0
        self._written = (0, self.next_sequence)  # size and next sequence as written
        self._synced_size = 0
        self._torn = False  # whether a part of an entry may stand in the file behind what was written
        self._behind = False  # whether entries may stand there that are to be written again
        self._new = False  # whether the file's name may not be on the disk
        self._moved = False  # whether it is not known what stands in the directory
        self._lost = 0  # synced entries in files that are no longer in their place

    def append(self, entries: Sequence[journal_pb2.Entry]) -> None:
        """Gives entries their sequence and writes them to the operating system.

        Raises OSError; the first of the entries are then written, up to `next_sequence`.
        """
        parts: list[bytes] = []
        largest = _largest_file()
        try:
            for entry in entries:
                entry.sequence = self.next_sequence
                payload = entry.SerializeToString()
                size = _RECORD.size + len(payload)
                beyond = self._first < self.next_sequence and self._size + size > largest
                if self._file is None or self._size >= self._max_file_bytes or beyond:
                    self._flush(parts)
                    self._open_next()
                parts.append(_RECORD.pack(len(payload), zlib.crc32(payload)))
                parts.append(payload)
                self._size += size
                self.next_sequence += 1
            self._flush(parts)
        except BaseException:
            self._go_back(*self._written)
            raise

    def sync(self) -> None:
        """Waits until what was appended is on the disk, and looks that its file is still in its place.

        Raises OSError; what was appended since the last sync is then to be appended again.
        """
        try:
            if self._file is not None:
                with _named(self._path):
                    if self._torn or self._behind:
                        self._cut()
                    os.fsync(self._file)
                    if self._new:
                        _sync_directory(self._directory)  # the name must outlive a crash as the bytes do
                        self._new = False
            self.check_place()
        except BaseException:
            self._go_back(self._synced_size, self.synced_sequence)
            raise
        self._synced_size, self.synced_sequence = self._written

    def check_place(self) -> None:
        """Raises OSError when the directory or its file was removed, renamed or replaced."""
        if self._above is not None and not self._above.holds:
            raise _moved(self._directory.parent)
        if not self._lock.holds:
            raise _moved(self._directory)
        if self._file is not None and not is_at(self._file, self._path):
            raise _moved(self._path)

    def resume(self) -> int | None:
        """Makes ready to write again after a failure.

        Where the directory was removed, renamed or replaced it is locked anew, and a worker's is made anew;
        the server's own has to be there. Returns how many synced entries were in the file that is no longer
        in its place, None where all is. Raises OSError, and CorruptJournalError for what stands in the
        directory now.
        """
        above = self._above
        root = self._directory if above is None else self._directory.parent
        if not root.is_dir():
            raise OSError(errno.ENOENT, "the journal's directory is not there: make it again", str(root))
        if above is not None and not above.holds:
            above.retake()
        if not self._lock.holds:
            anew = JournalLock(self._directory)
            self._lock.close()
            self._lock, self._moved = anew, True
        if self._moved or (self._file is not None and not is_at(self._file, self._path)):
            return self._begin_anew()
        return None

    def _begin_anew(self) -> int:
        """Goes on in a new file of the directory that is there now, as `resume` returns."""
        self._moved = True  # until all of this is done
        if self._file is not None:
            self._lost += self.synced_sequence - self._first
            # What is not known to be on the disk is written again: it must not stand in two places.
            self._go_back(self._synced_size, self.synced_sequence)
            with contextlib.suppress(OSError):
                self._cut()
            self._forget_file()
        self._hollow = None
        # Sequences are never used twice: a gap shows what is missing.
        self.next_sequence = self.synced_sequence = max(self._recover(), self.synced_sequence)
        self._written = (0, self.next_sequence)
        self._moved = False
        lost, self._lost = self._lost, 0
        return lost

    def close(self) -> None:
        """Syncs and closes, and leaves the directory to other writers. Twice is once. Raises OSError."""
        try:
            self._close_file()
        finally:
            self._forget_file()
            self._lock.close()
            if self._above is not None:
                self._above.close()

    def _close_file(self) -> None:
        if self._file is not None:
            self.sync()
            self._forget_file()

    def _forget_file(self) -> None:
        """Closes the file, and removes one without an entry. What matters of it is synced."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                if self._written[1] == self._first and is_at(self._file, self._path):
                    self._path.unlink()
            with contextlib.suppress(OSError):
                os.close(self._file)
            self._file, self._size = None, 0

    def _flush(self, parts: list[bytes]) -> None:
        if not parts or self._file is None:
            return
        offset = self._written[0]
        with _named(self._path):
            self._torn = True
            header = b"" if offset else _HEADER.pack(MAGIC, FORMAT_VERSION, 0)
            left = memoryview(header + b"".join(parts))
            while left:
                written = os.pwrite(self._file, left, offset)
                left, offset = left[written:], offset + written
        self._torn = self._behind
        self._written = (self._size, self.next_sequence)
        parts.clear()

    def _go_back(self, size: int, sequence: int) -> None:
        """Takes back what was appended since a file had a size, to be written over.

        Whole entries stay until then, for the process may end before; what a write left of one is cut off.
        """
        self.next_sequence = sequence
        self._size = max(size, _HEADER.size)
        self._written = (size, sequence)
        if self._torn:
            with contextlib.suppress(OSError):
                self._cut()
        else:
            self._behind = True

    def _cut(self) -> None:
        """Cuts off what stands in the file behind what was written. Raises OSError."""
        if self._file is not None:
            os.ftruncate(self._file, self._written[0])
        self._torn = self._behind = False

    def _open_next(self) -> None:
        self._close_file()
        path = self._directory / file_name(self.next_sequence)
        # Entries are never written over: only a file without any may be there already.
        self._file = open_private(path, os.O_WRONLY | (os.O_TRUNC if path == self._hollow else os.O_EXCL))
        self._path, self._first, self._new, self._torn = path, self.next_sequence, True, False
        self._behind = False
        self._size, self._synced_size = _HEADER.size, 0
        self._written = (0, self.next_sequence)

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


def _largest_file() -> float:
    """Returns how many bytes a file of this process may have (ulimit -f)."""
    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    return math.inf if limit == resource.RLIM_INFINITY else limit


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Has an error of the operating system name the file."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, error.filename or str(path)) from error


def _moved(path: Path) -> OSError:
    return OSError(errno.ENOENT, "it was removed, renamed or replaced while it was in use", str(path))


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
