"""The journal as calls use it: where entries go, when an answer may leave, where a first answer is found."""

from __future__ import annotations

from abc import ABC, abstractmethod

from kuntur.journal.v1 import journal_pb2
from server.journal.buffer import Buffer


class Journal(ABC):
    """A buffer and what stands behind it. Safe for threads; entries are written under the history's lock."""

    def __init__(self, buffer: Buffer) -> None:
        """Takes the buffer, which is its owner's to close."""
        self.buffer = buffer

    @property
    @abstractmethod
    def unavailable(self) -> str | None:
        """Why nothing can be written for now, None while it can. Looked at before anything is counted."""

    @property
    @abstractmethod
    def behind(self) -> bool:
        """Whether a call may have to wait for it."""

    @abstractmethod
    def place(self, entry: bytes, *, last_half: bool) -> bool:
        """Writes an entry as `Buffer.place` does; False: let go of the lock, `wait`, and try again."""

    @abstractmethod
    def wait(self) -> None:
        """Waits a moment for room in the buffer. Raises JournalUnavailableError where none will be made."""

    @abstractmethod
    def settle(self, sequence: int) -> None:
        """Waits until an entry is as durable as the settings ask for, before what it says may leave.

        Raises JournalUnavailableError where it cannot become so for now.
        """

    @abstractmethod
    def abandon(self) -> None:
        """To be called when whoever writes the files has died: nothing may wait for it any more."""

    @abstractmethod
    def find(self, sequence: int) -> journal_pb2.Entry | None:
        """Returns an entry; None when it is gone."""

    @property
    def queued(self) -> int:
        """Entries that are not known to be on the disk."""
        return self.buffer.queued

    @abstractmethod
    def close(self) -> None:
        """Ends the use of it. A second call does nothing."""


class MemoryJournal(Journal):
    """Keeps the latest entries in memory alone, so that a transaction that comes again gets its answer."""

    unavailable = None
    behind = False

    def place(self, entry: bytes, *, last_half: bool) -> bool:  # noqa: ARG002 (the interface's)
        """Writes an entry over the oldest ones."""
        while not self.buffer.place(entry):
            self.buffer.make_room()
        return True

    def wait(self) -> None:
        """Never waits."""

    def settle(self, sequence: int) -> None:
        """Never waits."""

    def abandon(self) -> None:
        """Does nothing: nothing waits for files."""

    def find(self, sequence: int) -> journal_pb2.Entry | None:
        """Returns an entry; None when it was written over."""
        return self.buffer.find(sequence)

    @property
    def queued(self) -> int:
        """Always 0: nothing waits for a disk."""
        return 0

    def close(self) -> None:
        """Does nothing."""
