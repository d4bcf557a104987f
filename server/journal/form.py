"""The form of the file in which a journal's buffer lies, and what can be told of it without mapping it.

page 0    words of 64 bits: magic, form, bytes of the circle, which journal, since which start of the
machine it is used; then the words of `Word`. All lie in one sector of a disk
page 1 …  for each of the newest SLOTS entries, by its sequence, the offset at which it starts
then      the circle: records of length, checksum (uint32 each), sequence (int64), checksum of the entry
before (uint32), the entry; each starts at a multiple of 8 and lies in one
piece. Offsets count on for ever. A checksum is the CRC-32 of the checksum before and the entry
"""

from __future__ import annotations

import os
import struct
from enum import IntEnum
from pathlib import Path

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
_WORD_BYTES = 8


class Word(IntEnum):
    """Shared words behind the header."""

    NEXT = 8  # sequence of the next entry
    FREE = 9  # of the first entry that is kept: those before it are on the disk
    UNAVAILABLE = 10  # 1 while the files cannot be written
    EVEN = 11  # checksum of the last entry with an even sequence
    ODD = 12  # of the last one with an odd sequence


def journal_of(directory: Path) -> int:
    """Returns the number of the journal in a directory, which its buffer has. Raises OSError."""
    return _words(directory, W_JOURNAL)[0]


def synced_sequence(directory: Path) -> int | None:
    """Returns the sequence of the last entry that is on the disk, None where no writer says so.

    Entries of files that its writer found when it began count as well, whoever wrote them. Raises OSError.
    """
    try:
        return _words(directory, Word.FREE)[0] - 1  # -1 while it is made: nothing then
    except FileNotFoundError:
        return None


def first_unsynced(directory: Path) -> int | None:
    """Returns the sequence of an entry of a journal before which all were synced once.

    None where nobody says so: there is no buffer. Raises OSError.
    """
    try:
        magic, form, free = _words(directory, W_MAGIC, W_FORM, Word.FREE)
    except FileNotFoundError:
        return None
    return free if (magic, form) == (MAGIC, FORM) else None


def _words(directory: Path, *wanted: int) -> list[int]:
    """Returns words of a buffer, each read at once, as it may be in use; 0 behind the end of the file."""
    with (directory / FILE_NAME).open("rb", buffering=0) as file:
        return [
            int.from_bytes(os.pread(file.fileno(), _WORD_BYTES, _WORD_BYTES * word), "little", signed=True)
            for word in wanted
        ]
