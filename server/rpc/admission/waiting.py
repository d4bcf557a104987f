"""Calls that wait for their callers, and the memory that requests take.

A call takes a place only when its request has come (see `server.rpc.core.unary` and `streams`): a caller that
opens calls and sends nothing keeps nobody out. Until then the call waits here, for a limited time and among a
limited number; beyond that the one that has waited longest is ended.
"""

from __future__ import annotations

import threading
import time
from typing import Protocol

from server.errors import ServerError


class Call(Protocol):
    """A call that can be given up."""

    def give_up(self, error: ServerError, /) -> None:
        """Ends the call because its caller keeps it waiting."""


class Waiting:
    """Calls that wait for their callers, in the order in which they came. `end` is for one thread."""

    def __init__(self, timeout_s: float | None, most: int) -> None:
        """Takes how long a call may wait, None for any time, and how many calls may."""
        self._timeout_s = timeout_s
        self._most = most
        self._since: dict[Call, float] = {}

    def __len__(self) -> int:
        """Returns how many wait."""
        return len(self._since)

    def add(self, call: Call) -> None:
        """Adds a call that waits. Any thread."""
        self._since[call] = time.monotonic()

    def remove(self, call: Call) -> None:
        """Removes a call; one that is not there is no error. Any thread."""
        self._since.pop(call, None)

    def end(self, late: ServerError, beyond: ServerError) -> None:
        """Ends the calls that have waited too long, and beyond the limit the longest waiting."""
        while self._since:
            try:
                call, since = next(iter(self._since.items()))
            except (RuntimeError, StopIteration):  # another thread has just changed it: soon again
                return
            if len(self._since) > self._most:
                why = beyond
            elif self._timeout_s is not None and time.monotonic() - since > self._timeout_s:
                why = late
            else:
                return
            self._since.pop(call, None)
            call.give_up(why)


class Held:
    """Bytes of requests that have come and have not been answered. Safe for threads."""

    def __init__(self, most: int) -> None:
        """Takes the limit of bytes."""
        self.most = most
        self._bytes = 0
        self._lock = threading.Lock()

    @property
    def bytes(self) -> int:
        """How many there are."""
        return self._bytes

    @property
    def plenty(self) -> bool:
        """Whether nothing further should be read: half of the limit is taken."""
        return self._bytes > self.most // 2

    def add(self, size: int) -> bool:
        """Counts a request; returns whether it fits. One that is alone always does."""
        with self._lock:
            self._bytes += size
            return self._bytes <= self.most or self._bytes == size

    def remove(self, size: int) -> None:
        """Stops counting a request."""
        with self._lock:
            self._bytes -= size
