"""Appends entries to the journal of a server whose history is elsewhere, and has its lock there."""

from __future__ import annotations

import threading

from server.journal.buffer import Buffer
from server.journal.journal import Journal
from server.state.region.mutex import SharedMutex


def prepare(buffer: Buffer) -> None:
    """Makes the lock of a buffer that no process uses yet."""
    SharedMutex(buffer.lock_address, buffer.fd).initialise()


class Appender:
    """Appends entries of all processes of a server, one after the other. Safe for threads."""

    def __init__(self, journal: Journal) -> None:
        """Takes the journal, in whose buffer the lock lies."""
        self._journal = journal
        self._mutex = SharedMutex(journal.buffer.lock_address, journal.buffer.fd)
        self._threads = threading.Lock()

    def append(self, entry: bytes) -> int:
        """Writes an entry and returns its sequence; waits while there is no room."""
        journal = self._journal
        while True:
            with self._threads:
                self._mutex.acquire()  # a process that died in between left no entry
                try:
                    if journal.place(entry, last_half=True):
                        return journal.buffer.write_down()
                finally:
                    self._mutex.release()
            journal.wait()
