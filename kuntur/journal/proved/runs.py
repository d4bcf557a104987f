"""The records of a journal file in bulk: runs of whole ones, checked, with their leaf hashes.

A record costs some tenths of a microsecond beside its checksum and hash: heads and sequences of a whole
window are checked as columns. Damage is left to `kuntur.journal.records`, which looks for records behind it;
here a run ends in front of the first byte that is not as it should be.
"""

from __future__ import annotations

import os
import stat
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kuntur.journal.errors import CorruptJournalError, UnknownRevisionError
from kuntur.journal.layout import (
    HEAD_BYTES,
    HEADER_BYTES,
    MARKER_BYTES,
    MAX_PAYLOAD_BYTES,
    REVISION,
    Header,
)
from kuntur.journal.records import first_sequence
from kuntur.transparency.tree.hashing import Hashes, leaf_hashes

_WINDOW = 8 << 20  # bytes that are read at a time
_LENGTH_AND_CHECKSUM = struct.Struct("<II")
_SEQUENCE_TAG = 0x08
_SEQUENCE_BYTES = 11  # the tag, and a varint of at most ten bytes

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Run:
    """Whole records, one behind the other.

    first: sequence of the first; offsets: where each starts in the file, int64 [n]; end: offset behind the
    last; cause: why no record follows there; "" where the bytes just end.
    """

    first: int
    offsets: Ints
    payloads: Sequence[bytes]
    end: int
    cause: str

    def hashes(self, start: int = 0) -> Hashes:
        """Returns the leaf hashes of the records from one on, uint8 [n, 32]."""
        return leaf_hashes(self.payloads[start:])

    def __len__(self) -> int:
        return len(self.payloads)


class RunReader:
    """One file of a journal, read in runs from its beginning on, also while it grows."""

    def __init__(self, path: Path) -> None:
        """Opens a file. Raises OSError, CorruptJournalError for what is not a journal's file."""
        self.path = path
        self.first = first_sequence(path)
        self.sequence = self.first
        """Sequence of the next record, once the header was read."""
        self.at = 0
        """Offset of the next record."""
        self.header: Header | None = None
        """The header; None until it is there."""
        self.descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        if not stat.S_ISREG(os.fstat(self.descriptor).st_mode):
            self.close()
            raise CorruptJournalError(path, 0, "is not a regular file")

    @property
    def size(self) -> int:
        """Bytes of the file as it is now."""
        return os.fstat(self.descriptor).st_size

    def look_for_header(self) -> Header | None:
        """Returns the header; None where the file does not hold it yet.

        Raises CorruptJournalError for bytes that are none, UnknownRevisionError, OSError.
        """
        if self.header is None:
            raw = os.pread(self.descriptor, HEADER_BYTES, 0)
            header = Header.read(raw)
            if header is None and len(raw) == HEADER_BYTES:
                raise CorruptJournalError(self.path, 0, "the file has no valid header")
            if header is not None:
                if header.revision not in (1, REVISION):
                    message = f"the form of this file is revision {header.revision}, of a later version"
                    raise UnknownRevisionError(self.path, 8, f"{message} of Kuntur: use that to read it")
                self.header = header
                self.at, self.sequence = header.size, self.first + header.lost
        return self.header

    def go_on_at(self, offset: int, sequence: int) -> None:
        """Goes on with the record of a sequence, which starts at an offset. Raises as `look_for_header`."""
        if self.look_for_header() is not None:
            self.at, self.sequence = offset, sequence

    def read(self) -> Run:
        """Returns the records that follow, some MiB at most, and goes on behind them.

        Raises CorruptJournalError where the header is damaged, UnknownRevisionError, OSError.
        """
        header = self.look_for_header()
        if header is None:
            return Run(self.sequence, _no_ints(), (), self.at, "" if not self.size else "no whole header")
        window = os.pread(self.descriptor, _WINDOW, self.at)
        run, needed = _run(header, window, self.sequence, self.at)
        if not len(run) and needed > len(window) == _WINDOW:
            window = os.pread(self.descriptor, needed, self.at)
            run, needed = _run(header, window, self.sequence, self.at)
        self.at, self.sequence = run.end, run.first + len(run)
        return run

    def close(self) -> None:
        """Closes the file. Twice is once."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def _run(header: Header, window: bytes, expected: int, base: int) -> tuple[Run, int]:
    """Returns the whole records at the beginning of a window, and how many bytes the next one needs.

    expected: sequence of the first; base: offset of the window. None are needed where what follows is no
    record, however many more there were.
    """
    size, head = len(window), header.head_size
    fields = head - HEAD_BYTES + MARKER_BYTES if header.revision > 1 else 0
    unpack, starts, payloads, checksums = _LENGTH_AND_CHECKSUM.unpack_from, [], [], []
    at, last = 0, size - head
    while at <= last:
        length, checksum = unpack(window, at + fields)
        start = at + head
        end = start + length
        if end > size or not length:
            break
        starts.append(start)
        payloads.append(window[start:end])
        checksums.append(checksum)
        at = end
    found = np.array(starts, dtype=np.int64)
    right = np.fromiter(map(zlib.crc32, payloads), dtype=np.uint32, count=len(payloads)) == checksums
    if len(found):
        raw = np.frombuffer(window, dtype=np.uint8)
        right &= _sequences(raw, found) == np.arange(expected, expected + len(found))
        if header.revision > 1:
            right &= _marked(raw, found - head, header.marker)
    wrong = np.flatnonzero(~right)
    count = int(wrong[0]) if len(wrong) else len(payloads)
    end = at if count == len(payloads) else starts[count] - head
    cause, needed = _why(header, window[end:], expected + count)
    return Run(expected, base + found[:count] - head, payloads[:count], base + end, cause), needed


def _why(header: Header, rest: bytes, expected: int) -> tuple[str, int]:
    """Returns why no whole record stands at the beginning of some bytes, and how many it would need."""
    size = header.head_size
    if len(rest) < size:
        return ("the file ends within a record" if rest else ""), size
    head = header.read_head(rest[:size])
    if head is None:
        zeros = not any(rest[:size])
        return ("zeros stand where a record belongs" if zeros else "the head of a record is damaged"), 0
    length, checksum = head
    if size + length > len(rest):
        return "the file ends within a record", size + length
    payload = rest[size : size + length]
    if zlib.crc32(payload) != checksum:
        return "a record does not have its checksum", 0
    found = int(_sequences(np.frombuffer(payload, dtype=np.uint8), np.zeros(1, dtype=np.int64))[0])
    if found < 0:
        return "a record holds no entry", 0
    return f"entry {found:,} stands where entry {expected:,} belongs", 0


def _sequences(raw: npt.NDArray[np.uint8], starts: Ints) -> Ints:
    """Returns the sequences of the entries that begin at some places, -1 where none does."""
    columns = raw.take(starts[:, None] + np.arange(_SEQUENCE_BYTES), mode="clip")
    goes_on = columns[:, 1:] >= 0x80
    belongs = np.ones_like(goes_on)
    np.logical_and.accumulate(goes_on[:, :-1], axis=1, out=belongs[:, 1:])
    values = (columns[:, 1:] & 0x7F).astype(np.int64) << 7 * np.arange(_SEQUENCE_BYTES - 1)
    found = np.where(belongs, values, 0).sum(axis=1)
    return np.where(columns[:, 0] == _SEQUENCE_TAG, found, -1)


def _marked(raw: npt.NDArray[np.uint8], heads: Ints, marker: bytes) -> npt.NDArray[np.bool_]:
    """Returns which heads bear the file's marker, a length that may be and their own checksum."""
    columns = raw[heads[:, None] + np.arange(HEAD_BYTES)]
    own = np.frombuffer(marker, dtype=np.uint8)
    right: npt.NDArray[np.bool_] = (columns[:, :MARKER_BYTES] == own).all(axis=1)
    checksums = np.full(len(heads), zlib.crc32(marker + bytes(8)), dtype=np.uint32)
    for place, table in enumerate(_checksum_tables()):
        checksums ^= table[columns[:, MARKER_BYTES + place]]
    numbers = np.ascontiguousarray(columns[:, MARKER_BYTES:]).view("<u4")
    right &= numbers[:, 2] == checksums
    right &= numbers[:, 0] <= MAX_PAYLOAD_BYTES
    return right


@cache
def _checksum_tables() -> npt.NDArray[np.uint32]:
    """Returns what each value of each of the eight bytes behind the marker changes in the CRC-32 of a head.

    CRC-32 is linear: the checksum of a head is that of the marker and zeros, with these changes in it.
    """
    zeros = zlib.crc32(bytes(16))
    changes = [
        [
            zlib.crc32(bytes(MARKER_BYTES + place) + bytes([value]) + bytes(7 - place)) ^ zeros
            for value in range(256)
        ]
        for place in range(8)
    ]
    return np.array(changes, dtype=np.uint32)


def _no_ints() -> Ints:
    return np.zeros(0, dtype=np.int64)
