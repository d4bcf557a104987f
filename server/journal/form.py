"""The form of the file in which a journal's buffer lies, and what can be told of it without mapping it.

page 0    words of 64 bits: magic, form, bytes of the circle, which journal, since which start of the
machine it is used; then the words of `Word`. All lie in one sector of a disk
page 1 …  for each of the newest SLOTS entries, by its sequence, the offset at which it starts
then      the circle: records of length, checksum (uint32 each), sequence (int64), checksum of the entry
before (uint32), the entry; each starts at a multiple of 8 and lies in one
piece. Offsets count on for ever. A checksum is the CRC-32 of the checksum before and the entry
"""

from __future__ import annotations

import struct
from enum import IntEnum
from pathlib import Path

import numpy as np

FILE_NAME = "buffer.kjb"
LEAST_BYTES = 1 << 20
MAGIC = int.from_bytes(b"KNTR-BUF", "little")
FORM = 2
W_MAGIC, W_FORM, W_BYTES, W_JOURNAL, W_BOOT, WORDS = 0, 1, 2, 3, 4, 64
PAGE = 4096
SLOTS = 1 << 14
HEAD = struct.Struct("<IIqI")
START = PAGE + 8 * SLOTS
LOCK_AT = 1024  # bytes


class Word(IntEnum):
    """Shared words behind the header."""

    NEXT = 8  # sequence of the next entry
    FREE = 9  # of the first entry that is kept: those before it are on the disk
    UNAVAILABLE = 10  # 1 while the files cannot be written
    EVEN = 11  # checksum of the last entry with an even sequence
    ODD = 12  # of the last one with an odd sequence


def journal_of(directory: Path) -> int:
    """Returns the number of the journal in a directory, which its buffer has. Raises OSError."""
    with (directory / FILE_NAME).open("rb") as file:
        head = file.read(32)
    return int(struct.unpack("<4q", head)[3]) if len(head) == 32 else 0


def first_unsynced(directory: Path) -> int | None:
    """Returns the sequence of an entry of a journal before which all were synced once.

    None where nobody says so: there is no buffer. Raises OSError.
    """
    try:
        head = (directory / FILE_NAME).open("rb")
    except FileNotFoundError:
        return None
    with head:
        words = np.frombuffer(head.read(8 * WORDS).ljust(8 * WORDS, b"\0"), dtype=np.int64)
    sound = words[W_MAGIC] == MAGIC and words[W_FORM] == FORM
    return int(words[Word.FREE]) if sound else None
