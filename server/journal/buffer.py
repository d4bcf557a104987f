"""Entries on their way to the journal's files, in memory that all processes of a server share.

A circle of records in a mapped file: what is in it is the kernel's, so a process that is killed takes nothing
with it. Processes write under the lock of the history, and an entry is one once the sequence of the next is
counted up, which `kuntur.history.serving` does in the same step in which the entry enters the history. One
writer takes entries out to the files and frees their room; who asks for an entry that is still here reads it
without the lock. Its form is in `form`.

After a loss of power each page may be of another moment, and an entry that was placed and never became one
may stand where the one does that took its place. So what is there counts only if the checksums lead from the
last entry, whose own stands beside the word that counts it, to the files without a break.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import structlog

from kuntur.files.paths import sync
from kuntur.files.private import open_private
from kuntur.journal.v1 import journal_pb2
from server.host.boot import boot_number
from server.host.file_limit import check_file_limit
from server.journal.form import (
    FILE_NAME,
    FORM,
    HEAD,
    LEAST_BYTES,
    LOCK_AT,
    MAGIC,
    PAGE,
    SLOTS,
    START,
    W_BOOT,
    W_BYTES,
    W_FORM,
    W_JOURNAL,
    W_MAGIC,
    WORDS,
    Word,
)

_LOG = structlog.get_logger(__name__)
_OR_SMALLER = ", or set a smaller journal.buffer_bytes"
# A member of an enum costs more to index with.
_NEXT, _FREE, _CHECKSUMS = int(Word.NEXT), int(Word.FREE), int(Word.EVEN)


class JournalBufferError(Exception):
    """A buffer that cannot be used: why, and what to do."""


class Buffer:
    """A mapped buffer. Safe for threads where said so."""

    def __init__(self, fd: int, size: int, *, attached: bool = False) -> None:
        """Maps a file of `START + size` bytes, whose descriptor the buffer owns from then on.

        attached: whether another process made or opened it, and holds its lock.
        """
        self.fd, self.size, self._attached = fd, size, attached
        self._mapped = mmap.mmap(fd, START + size)
        self._bytes = memoryview(self._mapped)
        words = np.frombuffer(self._mapped, dtype=np.int64, count=WORDS)
        self.next_word: npt.NDArray[np.int64] = words[Word.NEXT : Word.NEXT + 1]
        """What `kuntur.history.serving` counts up."""
        self._words = memoryview(words.data)
        self.lock_address = words.ctypes.data + LOCK_AT
        """Where a lock lies for those who have no other around the buffer."""
        self._starts = memoryview(np.frombuffer(self._mapped, dtype=np.int64, count=SLOTS, offset=PAGE).data)

    @classmethod
    def anonymous(cls, size: int) -> Self:
        """Makes a buffer that is gone with the last process that has its descriptor. Raises OSError."""
        check_file_limit("the journal's buffer, a file in memory,", START + size, _OR_SMALLER)
        return cls._made(os.memfd_create("kuntur-journal"), size, 1, 0)

    @classmethod
    def open(cls, directory: Path, size: int, next_sequence: int, journal: int) -> Self:
        """Opens the buffer of a journal whose files reach to an entry, or makes it.

        size: bytes that it has from now on; next_sequence: of the first entry that is not in the files;
        journal: number of a journal that begins. Entries behind those of the files are kept, up to the first
        that is not as it was written. Raises OSError, JournalBufferError.
        """
        path = directory / FILE_NAME
        check_file_limit(str(path), START + size, _OR_SMALLER)
        fd = open_private(path, os.O_RDWR)
        try:
            try:
                # Held by the open file, so by every worker that inherits the descriptor.
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise JournalBufferError(
                    f"workers of the server that wrote {directory} before still run: start again once they "
                    "have drained, or end them"
                ) from error
            found = cls._found(fd)
            if found is None:
                buffer = cls._made(fd, size, next_sequence, journal)
            else:
                buffer = cls(fd, found)
                buffer._take_over(next_sequence)
            # What the next start reads after a loss of power is of this moment or later.
            os.fsync(fd)
            sync(directory)
        except BaseException:
            os.close(fd)
            raise
        return buffer if buffer.size == size else buffer._moved(path, size)

    @classmethod
    def attach(cls, fd: int) -> Self:
        """Maps the buffer behind an inherited descriptor. Raises JournalBufferError."""
        size = cls._found(fd)
        if size is None:
            raise JournalBufferError("the journal's buffer that is shared was damaged: restart the server")
        return cls(fd, size, attached=True)

    @staticmethod
    def _found(fd: int) -> int | None:
        """Returns the size of the circle in a file; None: it is no buffer of this form."""
        head = os.pread(fd, 32, 0)
        if len(head) < 32:
            return None
        magic, form, size, _ = struct.unpack("<4q", head)
        whole = os.fstat(fd).st_size == START + size
        return size if (magic, form) == (MAGIC, FORM) and size >= LEAST_BYTES and whole else None

    @classmethod
    def _made(cls, fd: int, size: int, next_sequence: int, journal: int) -> Self:
        os.ftruncate(fd, 0)
        os.ftruncate(fd, START + size)
        try:
            # A page that the disk has no room for would end the process when it is written.
            os.posix_fallocate(fd, 0, START + size)
        except OSError as error:
            told = f"{error.strerror}: make room for {START + size:,} bytes{_OR_SMALLER}"
            raise OSError(error.errno, told, str(Path(f"/proc/self/fd/{fd}").readlink())) from error
        buffer = cls(fd, size)
        words = buffer._words
        words[Word.NEXT] = words[Word.FREE] = next_sequence
        buffer._starts[next_sequence % SLOTS] = 0
        buffer._begin_checksums(next_sequence)
        words[W_FORM], words[W_BYTES], words[W_JOURNAL] = FORM, size, journal
        words[W_BOOT] = boot_number()
        words[W_MAGIC] = MAGIC  # last: what lacks it was never finished
        return buffer

    def _take_over(self, next_sequence: int) -> None:
        """Keeps what follows the files without a gap, and no more."""
        words, boot = self._words, boot_number()
        first, kept = next_sequence, next_sequence
        if words[Word.FREE] <= first <= words[Word.NEXT]:
            while kept < words[Word.NEXT] and self.read(kept) is not None:
                kept += 1
            # Where the system does not tell, the machine may have been restarted.
            if (not boot or words[W_BOOT] != boot) and not self._leads_back(kept, first):
                kept = first
            if kept < words[Word.NEXT]:
                _LOG.warning(
                    "entries that were on their way to the journal's files are lost: their memory was not "
                    "whole, as after a loss of power",
                    first_entry=kept,
                    last_entry=words[Word.NEXT] - 1,
                )
        if kept == first:  # also where it is of another time than the files
            self._starts[first % SLOTS] = 0
            self._begin_checksums(first)
        else:
            last = kept - 1
            length, checksum, _, _ = self._head(last)
            words[_CHECKSUMS + (last & 1)] = checksum
            # Its page may be older than that of the last entry, over which the next one would be written.
            self._starts[kept % SLOTS] = self._starts[last % SLOTS] + (HEAD.size + length + 7 & -8)
        words[Word.FREE], words[Word.NEXT] = first, kept
        words[Word.UNAVAILABLE], words[W_BOOT] = 0, boot

    def _leads_back(self, kept: int, first: int) -> bool:
        """Returns whether all entries are there and none is of another moment than the words."""
        words = self._words
        expected = words[_CHECKSUMS + (kept - 1 & 1)]
        for sequence in range(kept - 1, first - 1, -1):
            _, found, _, before = self._head(sequence)
            if found != expected:
                return False
            expected = before
        return kept == words[Word.NEXT]

    def _head(self, sequence: int) -> tuple[int, int, int, int]:
        """Returns length, checksum, sequence and the checksum before of an entry that can be read."""
        at = START + self._starts[sequence % SLOTS] % self.size
        length, checksum, found, before = HEAD.unpack_from(self._bytes, at)
        return length, checksum, found, before

    def _begin_checksums(self, sequence: int) -> None:
        """Lets checksums begin with an entry, so that none of an earlier time is taken for one of these."""
        self._words[_CHECKSUMS + (sequence - 1 & 1)] = int.from_bytes(os.urandom(4), "little")

    def _moved(self, path: Path, size: int) -> Self:
        """Returns a buffer of another size with the same entries, in the place of this one.

        Where a smaller one has no room for them, this one stays. Raises OSError for a larger one.
        Nobody else uses it. It is made beside and renamed, so that one that is cut off leaves this one.
        """
        beside = path.with_name(path.name + ".new")
        fd = open_private(beside, os.O_RDWR)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            moved = self._made(fd, size, self.first_kept, self.journal)
            moved._take(self)
            os.fsync(fd)
            beside.rename(path)
        except (OSError, JournalBufferError) as error:
            os.close(fd)
            beside.unlink(missing_ok=True)
            if size > self.size:  # entries may come that have room only there
                self.close()
                raise
            _LOG.warning(
                "the journal's buffer keeps its size until the next start",
                file=str(path),
                bytes=self.size,
                wanted=size,
                reason=str(error),
            )
            return self
        sync(path.parent)
        self.close()
        return moved

    def _take(self, other: Buffer) -> None:
        """Takes the entries of another buffer. Raises JournalBufferError where there is no room for them."""
        for raw in other.kept(other.queued, other.first_kept):
            named = journal_pb2.Entry(sequence=self.next_sequence).SerializeToString()
            if not self.place(raw[len(named) :]):
                raise JournalBufferError("there is no room for the entries that are not on the disk")
            self.write_down()

    @property
    def journal(self) -> int:
        """Which journal it is of: the number that it was begun with."""
        return self._words[W_JOURNAL]

    @property
    def next_sequence(self) -> int:
        """Sequence of the next entry. Any thread."""
        return self._words[Word.NEXT]

    @property
    def first_kept(self) -> int:
        """Sequence of the first entry that may not be on the disk. Any thread."""
        return self._words[Word.FREE]

    @property
    def queued(self) -> int:
        """How many entries may not be on the disk. Any thread."""
        return self.next_sequence - self.first_kept

    @property
    def unavailable(self) -> bool:
        """Whether the files cannot be written now. Any thread."""
        return self._words[Word.UNAVAILABLE] != 0

    @unavailable.setter
    def unavailable(self, value: bool) -> None:
        self._words[Word.UNAVAILABLE] = int(value)

    @property
    def filled(self) -> float:
        """How full it is, from 0 to 1. Any thread."""
        first, following = self._words[Word.FREE], self._words[Word.NEXT]
        used = self._starts[following % SLOTS] - self._starts[first % SLOTS]
        return max(used / self.size, (following - first) / SLOTS)

    def place(self, entry: bytes, *, last_half: bool = True) -> bool:
        """Writes an entry, without its sequence, behind the last one, which does not make it one yet.

        Returns False when there is no room for it. The caller holds the lock. last_half: whether it may fill
        more than half of the circle: what has to be said of what entered must never wait for what may enter.
        Raises JournalBufferError for an entry that has no room even in an empty buffer.
        """
        words, starts = self._words, self._starts
        sequence, first = words[_NEXT], words[_FREE]
        named = journal_pb2.Entry(sequence=sequence).SerializeToString()
        length = len(named) + len(entry)
        start, size = starts[sequence % SLOTS], (HEAD.size + length + 7) & -8
        if size > self.size:
            raise JournalBufferError(
                f"an entry of {length:,} bytes is larger than the journal's buffer: set a larger "
                "journal.buffer_bytes"
            )
        at = start % self.size
        if at + size > self.size:
            start += self.size - at
            at = 0
        used, kept = start + size - (starts[first % SLOTS] if first < sequence else start), sequence - first
        if used > self.size or kept >= SLOTS - 1:
            return False
        if kept and not last_half and (2 * used > self.size or 2 * kept > SLOTS):
            return False
        before = words[_CHECKSUMS + (sequence - 1 & 1)] & 0xFFFFFFFF
        checksum = zlib.crc32(entry, zlib.crc32(named, before))
        at += START
        HEAD.pack_into(self._bytes, at, length, checksum, sequence, before)
        at += HEAD.size
        self._bytes[at : at + len(named)] = named
        self._bytes[at + len(named) : at + length] = entry
        starts[sequence % SLOTS] = start
        starts[(sequence + 1) % SLOTS] = start + size
        words[_CHECKSUMS + (sequence & 1)] = checksum
        return True

    def make_room(self) -> None:
        """Frees the oldest quarter, in a buffer without files behind it. The caller holds the lock."""
        words = self._words
        first, following = words[Word.FREE], words[Word.NEXT]
        words[Word.FREE] = min(following, first + max(1, (following - first) // 4))

    def write_down(self) -> int:
        """Makes an entry of what was placed, and returns its sequence. The caller holds the lock."""
        sequence = self._words[Word.NEXT]
        self._words[Word.NEXT] = sequence + 1
        return sequence

    def read(self, sequence: int) -> bytes | None:
        """Returns an entry with its sequence; None when it is not here any more. Any thread, at any time."""
        if sequence < 1 or not 0 < self._words[_NEXT] - sequence < SLOTS:
            return None
        at = START + self._starts[sequence % SLOTS] % self.size
        if at + HEAD.size > START + self.size:
            return None
        length, checksum, found, before = HEAD.unpack_from(self._bytes, at)
        at += HEAD.size
        if found != sequence or at + length > START + self.size:
            return None
        entry = bytes(self._bytes[at : at + length])
        return entry if zlib.crc32(entry, before) == checksum else None

    def find(self, sequence: int) -> journal_pb2.Entry | None:
        """Returns an entry, opened; None when it is not here any more. Any thread, at any time."""
        raw = self.read(sequence)
        return None if raw is None else journal_pb2.Entry.FromString(raw)

    def kept(self, most: int, first: int) -> Iterator[bytes]:
        """Yields up to so many entries from one on. Raises JournalBufferError for one that is damaged."""
        for sequence in range(first, min(self.next_sequence, first + most)):
            entry = self.read(sequence)
            if entry is None:
                raise JournalBufferError(f"entry {sequence:,} of the journal was damaged in its buffer")
            yield entry

    def free(self, following: int) -> None:
        """Frees the room of the entries before one, which are on the disk."""
        self._words[Word.FREE] = following

    def close(self) -> None:
        """Gives the descriptor back; the mapping ends with the process. Twice is once."""
        if self.fd >= 0:
            if not self._attached:
                # The mapping has a descriptor of its own, which would keep the file locked.
                fcntl.flock(self.fd, fcntl.LOCK_UN)
            os.close(self.fd)
            self.fd = -1
