"""What keeps a journal from being read or written on."""

from __future__ import annotations

import shlex
from pathlib import Path


class JournalError(Exception):
    """A journal that cannot be read: which file, at which byte, and what is wrong there."""

    def __init__(self, path: Path, offset: int, message: str) -> None:
        super().__init__(f"{path}, byte {offset:,}: {message}")
        self.path = path
        self.offset = offset
        self.message = message


class TornTailError(JournalError):
    """The last file ends in bytes that are no record, and no valid record follows them.

    A crash within a write leaves such a tail.
    """


class CorruptJournalError(JournalError):
    """Bytes of the journal are not those that were written, or entries are missing."""


class UnknownRevisionError(JournalError):
    """A file in a form that only a later version of Kuntur can read."""


class JournalKeyError(JournalError):
    """A key of the journal that is not there or cannot be used, or a file that needs one.

    path: of the file or folder that the message is about.
    """

    def __init__(self, path: Path, message: str) -> None:
        Exception.__init__(self, f"{path}: {message}")
        self.path, self.offset, self.message = path, 0, message


def repair_hint(path: Path, consequence: str) -> str:
    """Returns the sentence that leads from a damaged file to its repair.

    path: the damaged file; consequence: what the repair does to the journal, as a verb phrase.
    """
    command = f"kuntur-server journal repair {shlex.quote(str(path.parent))}"
    return f"nothing was changed; with the server stopped, `{command}` {consequence} (--check only tells)"
