"""The journal of a process that leaves writing to another, or to a thread: see `writer`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from kuntur.journal.reading import find_record
from kuntur.journal.sealing import KeyRing
from kuntur.journal.v1 import journal_pb2
from server.errors import JournalUnavailableError
from server.journal.buffer import Buffer
from server.journal.journal import Journal

_LOOK_S = 0.2
_BEHIND = 0.25  # how full the buffer is when a call may have to wait: half of that may
_PAUSE_S, _SHORT_S, _LONG_S = 0.001, 0.0002, 0.005
UNAVAILABLE = "the journal cannot be written"


class SharedJournal(Journal):
    """A journal whose files somebody else writes from the buffer."""

    def __init__(
        self,
        buffer: Buffer,
        directory: Path,
        keys: KeyRing | None,
        *,
        to_disk: bool,
        on_change: Callable[[bool], None],
    ) -> None:
        """Takes the buffer, and the files with the keys that they are encrypted with.

        to_disk: whether an answer waits until it is on the disk; on_change: told, by a thread, whenever the
        journal becomes unavailable (False) and available again (True).
        """
        super().__init__(buffer)
        self._directory, self._keys = directory, keys
        self._to_disk, self._on_change = to_disk, on_change
        self._abandoned = False
        self._closing = threading.Event()
        self._told = True
        self._look()
        self._thread = threading.Thread(target=self._watch, name="journal-watch", daemon=True)
        self._thread.start()

    @property
    def unavailable(self) -> str | None:
        """Why nothing can be written for now."""
        return UNAVAILABLE if self.buffer.unavailable else None

    @property
    def behind(self) -> bool:
        """Whether a call may have to wait for it."""
        return self._to_disk or self.buffer.filled > _BEHIND

    def place(self, entry: bytes, *, last_half: bool) -> bool:
        """Writes an entry into the buffer if it has room."""
        return self.buffer.place(entry, last_half=last_half)

    def wait(self) -> None:
        """Waits a moment for room in the buffer. Raises JournalUnavailableError where none will be made."""
        if self._abandoned:
            raise JournalUnavailableError
        time.sleep(_PAUSE_S)

    def settle(self, sequence: int) -> None:
        """Waits until an entry is on the disk, where the settings ask for that.

        Raises JournalUnavailableError while the files cannot be written: the answer stays in the buffer, and
        is given when the transaction comes again.
        """
        if not self._to_disk:
            return
        buffer, pause_s = self.buffer, _SHORT_S
        while buffer.first_kept <= sequence:
            if buffer.unavailable:
                raise JournalUnavailableError
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONG_S)

    def abandon(self) -> None:
        """Has calls refused, and those that wait end: nobody writes the files any more."""
        self._abandoned = True
        self.buffer.unavailable = True

    def find(self, sequence: int) -> journal_pb2.Entry | None:
        """Returns an entry; None when its file was removed."""
        return self.buffer.find(sequence) or find_record(self._directory, sequence, self._keys)

    def close(self) -> None:
        """Ends watching."""
        self._closing.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._closing.wait(_LOOK_S):
            self._look()

    def _look(self) -> None:
        available = not self.buffer.unavailable
        if available != self._told:
            self._told = available
            self._on_change(available)
