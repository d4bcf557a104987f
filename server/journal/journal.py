"""The journal as calls use it: where entries go, when an answer may leave, where a first answer is found."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod

from kuntur.journal.v1 import journal_pb2
from server.journal.buffer import Buffer

_FULL = 0.5  # from then on callers wait for room; the rest is for those that no longer can
_PAUSE_S = 0.001


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
    def place(self, entry: bytes) -> bool:
        """Writes an entry as `Buffer.place` does; False: let go of the lock, `wait`, try again."""

    @abstractmethod
    def wait(self) -> None:
        """Waits while the buffer is half full, but not while the journal is unavailable."""

    @abstractmethod
    def settle(self, sequence: int) -> None:
        """Waits until an entry is as durable as the settings ask for, before what it says may leave."""

    @abstractmethod
    def find(self, sequence: int) -> journal_pb2.Entry | None:
        """Returns an entry; None when it is gone."""

    @property
    def queued(self) -> int:
        """Entries that are not known to be on the disk."""
        return self.buffer.next_sequence - self.buffer.first_kept

    @abstractmethod
    def close(self) -> None:
        """Ends the use of it. A second call does nothing."""


class MemoryJournal(Journal):
    """Keeps the latest entries in memory alone, so that a transaction that comes again gets its answer."""

    unavailable = None
    behind = False

    def place(self, entry: bytes) -> bool:
        """Writes an entry over the oldest ones."""
        while not self.buffer.place(entry):
            self.buffer.make_room()
        return True

    def wait(self) -> None:
        """Never waits."""

    def settle(self, sequence: int) -> None:
        """Never waits."""

    def find(self, sequence: int) -> journal_pb2.Entry | None:
        """Returns an entry; None when it was written over."""
        raw = self.buffer.read(sequence)
        return None if raw is None else journal_pb2.Entry.FromString(raw)

    @property
    def queued(self) -> int:
        """Always 0: nothing waits for a disk."""
        return 0

    def close(self) -> None:
        """Does nothing."""


def wait_for_room(buffer: Buffer) -> None:
    """Waits while a buffer is half full and its files can be written."""
    while buffer.filled > _FULL and not buffer.unavailable:
        time.sleep(_PAUSE_S)


def is_full(buffer: Buffer) -> bool:
    """Tells whether callers are to wait for room."""
    return buffer.filled > _FULL
