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

Files of revision 3 are encrypted. Their header goes on with

    8 bytes   identity of the key
    uint32    CRC-32 of the 40 bytes before

and their records are

    8 bytes   the file's marker
    uint32    length of the payload as it stands here, with its tag of 16 bytes
    12 bytes  nonce: 4 bytes of the file's own, and a number that grows with each record
    uint32    CRC-32 of the payload as it stands here
    uint32    CRC-32 of the 28 bytes before
    payload   the entry, encrypted as `kuntur.journal.sealing.cipher` says; the first 24 bytes go with it

Files of revision 1 are read too: a header of 16 bytes (magic, revision, 4 bytes in reserve), and record heads
of length and CRC-32 of the payload alone.
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from dataclasses import dataclass
from typing import NamedTuple, Self

MAGIC = b"KNTR-JNL"
REVISION, SEALED_REVISION = 2, 3
MAX_PAYLOAD_BYTES = 256 << 20
MAX_SEQUENCE = (1 << 62) - 1
"""No entry has a larger one; no name or header that says so was written by a server."""
HEADER_BYTES, HEAD_BYTES = 32, 20
SEALED_HEADER_BYTES, SEALED_HEAD_BYTES = 44, 32
MARKER_BYTES, NONCE_BYTES, TAG_BYTES = 8, 12, 16
SEALED_START_BYTES = 24
"""Bytes in front of an encrypted record that are authenticated with it."""
_MARKED = struct.Struct("<8sIQ8s")
_MARKED_HEAD = struct.Struct("<8sIII")
_UNCHECKED_HEAD = struct.Struct("<8sII")
_PLAIN = struct.Struct("<8sII")
_PLAIN_HEAD = struct.Struct("<II")
_SEALED_START = struct.Struct("<8sI12s")
_SEALED_HEAD = struct.Struct("<8sI12sII")
_CHECKSUM = _REVISION = struct.Struct("<I")
_SEQUENCE = re.compile(rb"\x08([\x80-\xff]{0,8}[\x00-\x7f])")


class Head(NamedTuple):
    """The head of a record: length and CRC-32 of the payload in the file; nonce of an encrypted one."""

    length: int
    checksum: int
    nonce: bytes


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a file. lost: entries known to be lost in front of its first record.

    key_id: identity of the key that it is encrypted with, b"" where it is not.
    """

    revision: int
    lost: int
    marker: bytes
    key_id: bytes = b""

    @classmethod
    def new(cls, lost: int = 0, key_id: bytes = b"") -> Self:
        """Returns the header of a file that is about to be written."""
        return cls(SEALED_REVISION if key_id else REVISION, lost, os.urandom(MARKER_BYTES), key_id)

    @classmethod
    def read(cls, raw: bytes) -> Self | None:
        """Returns the header in the first `SEALED_HEADER_BYTES` of a file, None for no valid one."""
        if len(raw) >= _PLAIN.size and _PLAIN.unpack_from(raw)[:2] == (MAGIC, 1):
            return None if _was_later(raw) else cls(1, 0, b"")
        if not _checked(raw[:HEADER_BYTES], HEADER_BYTES):
            return None
        magic, revision, lost, marker = _MARKED.unpack_from(raw)
        key_id = b""
        if revision == SEALED_REVISION:
            if not _checked(raw[:SEALED_HEADER_BYTES], SEALED_HEADER_BYTES):
                return None
            key_id = raw[HEADER_BYTES : SEALED_HEADER_BYTES - _CHECKSUM.size]
        return cls(revision, lost, marker, key_id) if magic == MAGIC and lost <= MAX_SEQUENCE else None

    @classmethod
    def of_head(cls, raw: bytes) -> Self | None:
        """Returns the header of the file that a record's head belongs to, None for no valid head."""
        header = cls(REVISION, 0, raw[:MARKER_BYTES])
        return None if header.read_head(raw) is None else header

    @classmethod
    def of_sealed_head(cls, raw: bytes, key_id: bytes) -> Self | None:
        """Returns the same for an encrypted record, which does not tell its key."""
        header = cls(SEALED_REVISION, 0, raw[:MARKER_BYTES], key_id)
        return None if header.read_head(raw) is None else header

    @property
    def sealed(self) -> bool:
        """Whether the records are encrypted."""
        return self.revision == SEALED_REVISION

    @property
    def size(self) -> int:
        """Bytes of the header itself."""
        if self.revision == 1:
            return _PLAIN.size
        return SEALED_HEADER_BYTES if self.sealed else HEADER_BYTES

    @property
    def head_size(self) -> int:
        """Bytes of a record's head."""
        if self.revision == 1:
            return _PLAIN_HEAD.size
        return SEALED_HEAD_BYTES if self.sealed else HEAD_BYTES

    @property
    def overhead(self) -> int:
        """Bytes of a record beside its entry."""
        return self.head_size + (TAG_BYTES if self.sealed else 0)

    def pack(self) -> bytes:
        """Returns the header's bytes, of a file that is written today."""
        raw = _with_checksum(_MARKED.pack(MAGIC, self.revision, self.lost, self.marker))
        return _with_checksum(raw + self.key_id) if self.sealed else raw

    def pack_head(self, payload: bytes) -> bytes:
        """Returns the head of the record with this payload, which is not encrypted."""
        return _with_checksum(_UNCHECKED_HEAD.pack(self.marker, len(payload), zlib.crc32(payload)))

    def pack_sealed_start(self, length: int, nonce: bytes) -> bytes:
        """Returns the first bytes of an encrypted record, whose payload takes so many here."""
        return _SEALED_START.pack(self.marker, length, nonce)

    def pack_sealed_head(self, start: bytes, payload: bytes) -> bytes:
        """Returns the head that begins with `start`, of the record with this encrypted payload."""
        return _with_checksum(start + _CHECKSUM.pack(zlib.crc32(payload)))

    def read_head(self, raw: bytes) -> Head | None:
        """Returns what a head of `head_size` bytes says, None for no valid one.

        Heads of revision 1 have no checksum: only a length that cannot be is noticed.
        """
        nonce = b""
        if self.revision == 1:
            length, checksum = _PLAIN_HEAD.unpack(raw)
        else:
            if self.sealed:
                marker, length, nonce, checksum, own = _SEALED_HEAD.unpack(raw)
            else:
                marker, length, checksum, own = _MARKED_HEAD.unpack(raw)
            if own != zlib.crc32(raw[: -_CHECKSUM.size]) or marker != self.marker:
                return None
        return Head(length, checksum, nonce) if 0 < length <= MAX_PAYLOAD_BYTES else None


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


def _was_later(raw: bytes) -> bool:
    """Tells whether only damage makes a header say revision 1, which has no checksum."""
    revisions = (_REVISION.pack(revision) for revision in (REVISION, SEALED_REVISION))
    return any(_checked(MAGIC + said + raw[12:HEADER_BYTES], HEADER_BYTES) for said in revisions)


def _with_checksum(raw: bytes) -> bytes:
    return raw + _CHECKSUM.pack(zlib.crc32(raw))


def _checked(raw: bytes, size: int) -> bool:
    """Tells whether bytes are so many, the last of them the checksum of those before."""
    return len(raw) == size and _CHECKSUM.pack(zlib.crc32(raw[: -_CHECKSUM.size])) == raw[-_CHECKSUM.size :]
