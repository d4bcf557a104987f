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
    HEADER_BYTES,
    MARKER_BYTES,
    MAX_PAYLOAD_BYTES,
    MAX_SEQUENCE,
    REVISION,
    SEALED_HEADER_BYTES,
    SEALED_REVISION,
    Header,
)
from kuntur.journal.records import first_sequence
from kuntur.journal.sealing import KeyRing, RecordCipher, cipher_of
from kuntur.transparency.tree.hashing import Hashes, leaf_hashes

_WINDOW = 8 << 20  # bytes that are read at a time
# Length and checksum of a payload in the head of a record.
_FIELDS = {
    1: struct.Struct("<II"),
    REVISION: struct.Struct("<8xII4x"),
    SEALED_REVISION: struct.Struct("<8xI12xI4x"),
}
_SEQUENCE_TAG = 0x08
_SEQUENCE_BYTES = 11  # the tag, and a varint of at most ten bytes
_NONCE = slice(12, 24)  # of the head of an encrypted record
_CHECKSUM_BYTES = 4

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Run:
    """Whole records, one behind the other. Payloads are those of the entries, decrypted where they were not.

    first: sequence of the first; offsets: where each starts in the file, int64 [n]; end: offset behind the
    last; cause: why no record follows there; "" where the bytes just end.
    """

    first: int
    offsets: Ints
    payloads: Sequence[bytes]
    end: int
    cause: str

    def hashes(self, start: int = 0, end: int | None = None) -> Hashes:
        """Returns the leaf hashes of the records from one to before another, uint8 [n, 32]."""
        return leaf_hashes(self.payloads[start:end])

    def __len__(self) -> int:
        return len(self.payloads)


class RunReader:
    """One file of a journal, read in runs from its beginning on, also while it grows."""

    def __init__(self, path: Path, keys: KeyRing | None = None) -> None:
        """Opens a file. keys: of the journal, for files that are encrypted.

        Raises OSError, CorruptJournalError for what is not a journal's file.
        """
        self.path = path
        self._keys = keys
        self._cipher: RecordCipher | None = None
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

        Raises CorruptJournalError for bytes that are none, UnknownRevisionError, JournalKeyError, OSError.
        """
        if self.header is None:
            raw = os.pread(self.descriptor, SEALED_HEADER_BYTES, 0)
            header = Header.read(raw)
            if header is None and len(raw) >= (SEALED_HEADER_BYTES if _seems_sealed(raw) else HEADER_BYTES):
                raise CorruptJournalError(self.path, 0, "the file has no valid header")
            if header is not None:
                if header.revision not in _FIELDS:
                    message = f"the form of this file is revision {header.revision}, of a later version"
                    raise UnknownRevisionError(self.path, 8, f"{message} of Kuntur: use that to read it")
                self._cipher = cipher_of(self.path, header, self._keys)
                self.header = header
                self.at, self.sequence = header.size, self.first + header.lost
        return self.header

    def go_on_at(self, offset: int, sequence: int) -> None:
        """Goes on with the record of a sequence, which starts at an offset. Raises as `look_for_header`."""
        if self.look_for_header() is not None:
            self.at, self.sequence = offset, sequence

    def read(self) -> Run:
        """Returns the records that follow, some MiB at most, and goes on behind them.

        Raises as `look_for_header`.
        """
        header = self.look_for_header()
        if header is None:
            return Run(self.sequence, _no_ints(), (), self.at, "" if not self.size else "no whole header")
        window = os.pread(self.descriptor, _WINDOW, self.at)
        run, needed = self._run(header, window)
        if not len(run) and needed > len(window) == _WINDOW:
            run, needed = self._run(header, os.pread(self.descriptor, needed, self.at))
        self.at, self.sequence = run.end, run.first + len(run)
        return run

    def peek(self) -> bytes | None:
        """Returns the payload of the record that follows as far as its head can be believed, else None.

        It need not be what was written. Raises OSError.
        """
        if self.header is None:
            return None
        raw = os.pread(self.descriptor, self.header.head_size, self.at)
        head = self.header.read_head(raw) if len(raw) == self.header.head_size else None
        if head is None:
            return None
        payload = os.pread(self.descriptor, head.length, self.at + len(raw))
        return payload if self._cipher is None else self._cipher.open(raw, head.nonce, payload)

    def close(self) -> None:
        """Closes the file. Twice is once."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def _run(self, header: Header, window: bytes) -> tuple[Run, int]:
        """Returns the whole records at the beginning of a window, and how many bytes the next one needs.

        None are needed where what follows is no record, however many more there were.
        """
        size, head, expected = len(window), header.head_size, self.sequence
        unpack, starts, payloads, checksums = _FIELDS[header.revision].unpack_from, [], [], []
        at, last = 0, size - head
        while at <= last:
            length, checksum = unpack(window, at)
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
        if len(found) and header.revision > 1:
            right &= _marked(np.frombuffer(window, dtype=np.uint8), found - head, header)
        count = _until_wrong(right)
        if self._cipher is not None:
            payloads = _opened(self._cipher, window, found[:count].tolist(), head, payloads)
            count = len(payloads)
        if count:
            count = _until_wrong(_sequences(payloads[:count]) == np.arange(expected, expected + count))
        end = at if count == len(found) else starts[count] - head
        cause, needed = _why(header, self._cipher, window[end:], expected + count)
        offsets = self.at + found[:count] - head
        return Run(expected, offsets, payloads[:count], self.at + end, cause), needed


def _until_wrong(right: npt.NDArray[np.bool_]) -> int:
    """Returns how many are right in front of the first that is not."""
    wrong = np.flatnonzero(~right)
    return int(wrong[0]) if len(wrong) else len(right)


def _opened(
    cipher: RecordCipher, window: bytes, starts: Sequence[int], head: int, payloads: Sequence[bytes]
) -> list[bytes]:
    """Returns encrypted payloads as they were, up to the first that is not the one that was encrypted."""
    found: list[bytes] = []
    for start, payload in zip(starts, payloads, strict=False):
        raw = window[start - head : start]
        opened = cipher.open(raw, raw[_NONCE], payload)
        if opened is None:
            break
        found.append(opened)
    return found


def _why(header: Header, cipher: RecordCipher | None, rest: bytes, expected: int) -> tuple[str, int]:
    """Returns why no whole record stands at the beginning of some bytes, and how many it would need."""
    size = header.head_size
    if len(rest) < size:
        return ("the file ends within a record" if rest else ""), size
    raw = rest[:size]
    head = header.read_head(raw)
    if head is None:
        return ("the head of a record is damaged" if any(raw) else "zeros stand where a record belongs"), 0
    if size + head.length > len(rest):
        return "the file ends within a record", size + head.length
    payload: bytes | None = rest[size : size + head.length]
    if payload is None or zlib.crc32(payload) != head.checksum:
        return "a record does not have its checksum", 0
    payload = payload if cipher is None else cipher.open(raw, head.nonce, payload)
    if payload is None:
        return "a record is not the one that was encrypted", 0
    found = int(_sequences([payload])[0])
    if found < 0:
        return "a record holds no entry", 0
    return f"entry {found:,} stands where entry {expected:,} belongs", 0


def _sequences(payloads: Sequence[bytes]) -> Ints:
    """Returns the sequences that some payloads begin with, -1 for one that does not."""
    begun = [payload[:_SEQUENCE_BYTES].ljust(_SEQUENCE_BYTES, b"\0") for payload in payloads]
    columns = np.frombuffer(b"".join(begun), dtype=np.uint8).reshape(-1, _SEQUENCE_BYTES)
    goes_on = columns[:, 1:] >= 0x80
    belongs = np.ones_like(goes_on)
    np.logical_and.accumulate(goes_on[:, :-1], axis=1, out=belongs[:, 1:])
    values = (columns[:, 1:] & 0x7F).astype(np.int64) << 7 * np.arange(_SEQUENCE_BYTES - 1)
    found = np.where(belongs, values, 0).sum(axis=1)
    return np.where((columns[:, 0] == _SEQUENCE_TAG) & (found <= MAX_SEQUENCE), found, -1)


def _marked(raw: npt.NDArray[np.uint8], heads: Ints, header: Header) -> npt.NDArray[np.bool_]:
    """Returns which heads bear the file's marker, a length that may be and their own checksum."""
    columns = raw[heads[:, None] + np.arange(header.head_size)]
    own = np.frombuffer(header.marker, dtype=np.uint8)
    right: npt.NDArray[np.bool_] = (columns[:, :MARKER_BYTES] == own).all(axis=1)
    tables = _checksum_tables(header.head_size - _CHECKSUM_BYTES)
    checksums = np.full(len(heads), zlib.crc32(header.marker + bytes(len(tables))), dtype=np.uint32)
    for place, table in enumerate(tables, MARKER_BYTES):
        checksums ^= table[columns[:, place]]
    numbers = np.ascontiguousarray(columns).view("<u4")
    right &= numbers[:, -1] == checksums
    right &= numbers[:, MARKER_BYTES // 4] <= MAX_PAYLOAD_BYTES
    return right


@cache
def _checksum_tables(size: int) -> npt.NDArray[np.uint32]:
    """Returns what each value of each byte behind the marker changes in the CRC-32 of so many bytes.

    CRC-32 is linear: the checksum of a head is that of the marker and zeros, with these changes in it.
    """
    zeros = zlib.crc32(bytes(size))
    changes = np.zeros((size - MARKER_BYTES, 256), dtype=np.uint32)
    for place, value in np.ndindex(changes.shape):
        head = bytearray(size)
        head[MARKER_BYTES + place] = value
        changes[place, value] = zlib.crc32(head) ^ zeros
    return changes


def _seems_sealed(raw: bytes) -> bool:
    """Tells whether a header says that it is of an encrypted file, and so longer than others."""
    return raw[MARKER_BYTES : MARKER_BYTES + 4] == SEALED_REVISION.to_bytes(4, "little")


def _no_ints() -> Ints:
    return np.zeros(0, dtype=np.int64)
