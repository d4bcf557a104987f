"""The bytes of a journal file: its header and the head of each record.

A file starts with a header of 32 bytes, little-endian as everything here:

    8 bytes   magic, "KNTR-JNL"
    uint32    revision of the form, 2
    uint64    entries that are known to be lost in front of the first record
    8 bytes   marker, random for each file
    uint32    CRC-32 of the 28 bytes before

Records follow, each

    8 bytes   the file's marker
    uint32    length of the payload
    uint32    CRC-32 of the payload
    uint32    CRC-32 of the 16 bytes before
    payload   a serialised kuntur.journal.v1.Entry

By its marker a record is found again behind damage. Callers cannot know the marker, so nothing that they send
passes for a record. Later revisions keep magic, revision and the header's checksum where they are.

Files of revision 1 are read too: a header of 16 bytes (magic, revision, 4 bytes in reserve), and record heads
of length and CRC-32 of the payload alone.
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from dataclasses import dataclass
from typing import Self

MAGIC = b"KNTR-JNL"
REVISION = 2
MAX_PAYLOAD_BYTES = 256 << 20
HEADER_BYTES, HEAD_BYTES = 32, 20
MARKER_BYTES = 8
_MARKED = struct.Struct("<8sIQ8s")
_MARKED_HEAD = struct.Struct("<8sIII")
_CHECKED = 16  # bytes of a head in front of its checksum
_UNCHECKED_HEAD = struct.Struct("<8sII")
_PLAIN = struct.Struct("<8sII")
_PLAIN_HEAD = struct.Struct("<II")
_CHECKSUM = struct.Struct("<I")
_SEQUENCE = re.compile(rb"\x08([\x80-\xff]{0,8}[\x00-\x7f])")


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a file. lost: entries known to be lost in front of its first record."""

    revision: int
    lost: int
    marker: bytes

    @classmethod
    def new(cls, lost: int = 0) -> Self:
        """Returns the header of a file that is about to be written."""
        return cls(REVISION, lost, os.urandom(MARKER_BYTES))

    @classmethod
    def read(cls, raw: bytes) -> Self | None:
        """Returns the header in the first `HEADER_BYTES` of a file, None where there is no valid one."""
        if len(raw) >= _PLAIN.size and _PLAIN.unpack_from(raw)[:2] == (MAGIC, 1):
            return cls(1, 0, b"")
        if len(raw) < HEADER_BYTES or _CHECKSUM.pack(zlib.crc32(raw[: _MARKED.size])) != raw[_MARKED.size :]:
            return None
        magic, *rest = _MARKED.unpack_from(raw)
        return cls(*rest) if magic == MAGIC else None

    @classmethod
    def of_head(cls, raw: bytes) -> Self | None:
        """Returns the header of the file that a record's head belongs to, None for no valid head."""
        header = cls(REVISION, 0, raw[:MARKER_BYTES])
        return None if header.read_head(raw) is None else header

    @property
    def size(self) -> int:
        """Bytes of the header itself."""
        return _PLAIN.size if self.revision == 1 else HEADER_BYTES

    @property
    def head_size(self) -> int:
        """Bytes of a record's head."""
        return _PLAIN_HEAD.size if self.revision == 1 else HEAD_BYTES

    def pack(self) -> bytes:
        """Returns the header's bytes, in the newest revision."""
        raw = _MARKED.pack(MAGIC, REVISION, self.lost, self.marker)
        return raw + _CHECKSUM.pack(zlib.crc32(raw))

    def pack_head(self, payload: bytes) -> bytes:
        """Returns the head of the record with this payload, in the newest revision."""
        raw = _UNCHECKED_HEAD.pack(self.marker, len(payload), zlib.crc32(payload))
        return raw + _CHECKSUM.pack(zlib.crc32(raw))

    def read_head(self, raw: bytes) -> tuple[int, int] | None:
        """Returns length and CRC-32 of the payload from a head of `head_size` bytes, None for no valid one.

        Heads of revision 1 have no checksum: only a length that cannot be is noticed.
        """
        if self.revision == 1:
            length, checksum = _PLAIN_HEAD.unpack(raw)
        else:
            marker, length, checksum, own = _MARKED_HEAD.unpack(raw)
            if own != zlib.crc32(raw[:_CHECKED]) or marker != self.marker:
                return None
        return (length, checksum) if 0 < length <= MAX_PAYLOAD_BYTES else None


def sequence_bytes(sequence: int) -> bytes:
    """Returns what the payload of the entry with this sequence starts with: tag and value of the field."""
    raw = bytearray(b"\x08")
    while sequence > 0x7F:
        raw.append(sequence & 0x7F | 0x80)
        sequence >>= 7
    raw.append(sequence)
    return bytes(raw)


def sequence_of(payload: bytes) -> int | None:
    """Returns the sequence that a payload starts with, None where it starts otherwise."""
    found = _SEQUENCE.match(payload)
    return None if found is None else number(found[1])


def number(varint: bytes) -> int:
    """Returns the value of a varint."""
    return sum((byte & 0x7F) << 7 * place for place, byte in enumerate(varint))
