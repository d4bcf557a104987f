"""Which entries of a journal are on the disk, as its writer says in the buffer beside the files."""

from __future__ import annotations

import os
from pathlib import Path

from server.journal.form import FILE_NAME, Word

_WORD_BYTES = 8


def synced_sequence(directory: Path) -> int | None:
    """Returns the sequence of the last entry that is on the disk, None where no writer says so.

    Entries of files that its writer found when it began count as well, whoever wrote them. Raises OSError.
    """
    try:
        descriptor = os.open(directory / FILE_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        word = os.pread(descriptor, _WORD_BYTES, Word.FREE * _WORD_BYTES)
    finally:
        os.close(descriptor)
    return int.from_bytes(word, "little") - 1  # -1 while it is made: nothing then
