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
from collections.abc import Iterator, Sequence
from pathlib import Path

from kuntur.files.paths import sync
from kuntur.files.private import is_at, open_private
from kuntur.journal.errors import (
    CorruptJournalError,
    JournalError,
    JournalKeyError,
    TornTailError,
    UnknownRevisionError,
)
from kuntur.journal.layout import sequence_bytes, sequence_of
from kuntur.journal.lock import JournalLock
from kuntur.journal.reading import Loss, find_record, read_entries
from kuntur.journal.sealing import KeyRing, new_header, packing
from kuntur.journal.tail import TornTail, file_name, journal_files, recover_end

__all__ = [
    "CorruptJournalError",
    "JournalError",
    "JournalFileWriter",
    "JournalKeyError",
    "Loss",
    "TornTailError",
    "UnknownRevisionError",
    "file_name",
    "find_record",
    "journal_files",
    "read_entries",
]


class JournalFileWriter:
    """Appends entries. One writer a directory, which a lock sees to; one thread a writer.

    Opening sets a torn tail aside and goes on in a new file. Files and directories that it makes are
    readable by their owner alone.

    What fails changes nothing that cannot be mended: after an OSError `next_sequence` tells which entries
    are written, and `synced_sequence` which are on the disk; append the others again, after `resume`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        max_file_bytes: int = 256 << 20,
        keys: KeyRing | None = None,
        unsynced: int | None = None,
    ) -> None:
        """Opens the journal of a directory, which is made when it is not there.

        max_file_bytes: size from which the next entry goes into a new file; keys: of the journal, whose new
        files are then encrypted; unsynced: as for `kuntur.journal.tail.recover_end`. Raises JournalError when
        the last file is damaged otherwise than by a torn tail or its key is missing, OSError also when
        another writer has the directory.
        """
        self._directory = directory
        self._hollow: Path | None = None  # the last file, when opening found no entry in it
        self._lock = JournalLock(directory)
        self._max_file_bytes = max_file_bytes
        self._keys = keys
        self._header = new_header(keys)
        self._pack = packing(self._header, keys)
        self._gap = 0  # entries that are known to be lost in front of the next file
        self.torn_tail: TornTail | None = None
        """The torn tail that opening, or `resume`, set aside last; None where there was none."""
        try:
            self.next_sequence = self._recover(unsynced)
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

    def append(self, payloads: Sequence[bytes]) -> None:
        """Writes entries to the operating system, each serialised with the sequence that is its own.

        Raises ValueError where the sequence of one is not the next, before anything is written; OSError: the
        first of the entries are then written, up to `next_sequence`.
        """
        self._check_order(payloads)
        parts: list[bytes] = []
        largest = _largest_file()
        try:
            for payload in payloads:
                size = self._header.overhead + len(payload)
                beyond = self._first < self.next_sequence and self._size + size > largest
                if self._file is None or self._size >= self._max_file_bytes or beyond:
                    self._flush(parts)
                    self._open_next()
                parts += self._pack(payload)
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
        if not self._lock.holds:
            raise _moved(self._directory)
        if self._file is not None and not is_at(self._file, self._path):
            raise _moved(self._path)

    def resume(self) -> int | None:
        """Makes ready to write again after a failure.

        Where the directory was removed, renamed or replaced, the one that is there now is locked anew.
        Returns how many synced entries were in the file that is no longer in its place, None where all is.
        Raises OSError, and JournalError for what stands in the directory now.
        """
        if not self._directory.is_dir():
            message = "the journal's directory is not there: make it again"
            raise OSError(errno.ENOENT, message, str(self._directory))
        if not self._lock.holds:
            anew = JournalLock(self._directory, make=False)
            self._lock.close()
            self._lock, self._moved = anew, True
        if self._moved or (self._file is not None and not is_at(self._file, self._path)):
            return self._begin_anew()
        return None

    def _check_order(self, payloads: Sequence[bytes]) -> None:
        for expected, payload in enumerate(payloads, self.next_sequence):
            if not payload.startswith(sequence_bytes(expected)):
                found = sequence_of(payload)
                what = "without a sequence in front" if found is None else f"of entry {found:,}"
                raise ValueError(
                    f"{self._directory}: entry {expected:,} is next, and a payload {what} was given: set "
                    "Entry.sequence from next_sequence on before it is serialised"
                )

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
        self._header, self._gap = new_header(self._keys, self._gap), 0
        self._pack = packing(self._header, self._keys)
        self._size, self._synced_size = self._header.size, 0
        self._written = (0, self.next_sequence)

    def _recover(self, unsynced: int | None = None) -> int:
        end = recover_end(self._directory, self._keys, unsynced)
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
