"""The journal's files: written for the server, which says what and when, and read by the trainer.

A journal is a directory of files `journal-<sequence of the first entry, 20 digits>.kj`, each a header and
records, as `kuntur.journal.layout` says. Sequences run from 1 through all files without a gap but those that
a repair left, which the header of the file behind it counts. When a file is synced, and what goes into it,
is left to the server; repair to `kuntur.journal.repair`.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import resource
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kuntur.files.paths import sync
from kuntur.files.private import is_at, open_private
from kuntur.journal.errors import (
    CorruptJournalError,
    JournalError,
    TornTailError,
    UnknownRevisionError,
    repair_hint,
)
from kuntur.journal.layout import Header
from kuntur.journal.lock import JournalLock, ServersLock
from kuntur.journal.records import JournalFile, Record, first_sequence
from kuntur.journal.tail import TornTail, corrupt, file_name, journal_files, recover_end
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
    "read_entries",
]


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

    What fails changes nothing that cannot be mended: after an OSError `next_sequence` tells which entries
    are written, and `synced_sequence` which are on the disk; append the others again, after `resume`.
    """

    def __init__(
        self, directory: Path, *, max_file_bytes: int = 256 << 20, servers_lock: int | None = None
    ) -> None:
        """Opens the journal of a directory, which is made when it is not there.

        max_file_bytes: size from which the next entry goes into a new file; servers_lock: descriptor of the
        lock of the directory above, of a worker. Raises JournalError when the last file is damaged otherwise
        than by a torn tail, OSError also when another writer has the directory.
        """
        self._directory = directory
        self._above = None if servers_lock is None else ServersLock(directory.parent, servers_lock)
        self._hollow: Path | None = None  # the last file, when opening found no entry in it
        self._lock = JournalLock(directory)
        self._max_file_bytes = max_file_bytes
        self._header = Header.new()
        self._gap = 0  # entries that are known to be lost in front of the next file
        self.torn_tail: TornTail | None = None
        """The torn tail that opening, or `resume`, set aside last; None where there was none."""
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
                size = self._header.head_size + len(payload)
                beyond = self._first < self.next_sequence and self._size + size > largest
                if self._file is None or self._size >= self._max_file_bytes or beyond:
                    self._flush(parts)
                    self._open_next()
                parts.append(self._header.pack_head(payload))
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
                        sync(self._directory)  # the name must outlive a crash as the bytes do
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
        in its place, None where all is. Raises OSError, and JournalError for what stands in the
        directory now.
        """
        above = self._above
        root = self._directory if above is None else self._directory.parent
        if not root.is_dir():
            raise OSError(errno.ENOENT, "the journal's directory is not there: make it again", str(root))
        if above is not None and not above.holds:
            above.retake()
        if not self._lock.holds:
            if above is not None:
                self._directory.mkdir(mode=0o700, exist_ok=True)  # never the server's own, gone by now or not
            anew = JournalLock(self._directory, make=False)
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
        # Sequences are never used twice: the header of the next file tells readers how many are missing.
        found = self._recover()
        self._gap = max(0, self.synced_sequence - found)
        self.next_sequence = self.synced_sequence = found + self._gap
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
            header = b"" if offset else self._header.pack()
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
        self._size = max(size, self._header.size)
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
        path = self._directory / file_name(self.next_sequence - self._gap)
        # Entries are never written over: only a file without any may be there already.
        self._file = open_private(path, os.O_WRONLY | (os.O_TRUNC if path == self._hollow else os.O_EXCL))
        self._path, self._first, self._new, self._torn = path, self.next_sequence, True, False
        self._behind = False
        self._header, self._gap = Header.new(self._gap), 0
        self._size, self._synced_size = self._header.size, 0
        self._written = (0, self.next_sequence)

    def _recover(self) -> int:
        end = recover_end(self._directory)
        self._hollow, self.torn_tail = end.hollow, end.torn
        return end.next_sequence


def _largest_file() -> float:
    """Returns how many bytes a file of this process may have (ulimit -f)."""
    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    return math.inf if limit == resource.RLIM_INFINITY else limit


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Has an error of the operating system name the file."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, error.filename or str(path)) from error


def _moved(path: Path) -> OSError:
    return OSError(errno.ENOENT, "it was removed, renamed or replaced while it was in use", str(path))
