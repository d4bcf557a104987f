"""How much is let in: unary calls and streams, counted apart, refused at once beyond their limit."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Self

from server.errors import OverloadedError, ShuttingDownError


class Gate:
    """Lets in so many at a time. A context manager; entering raises instead of waiting.

    Raises OverloadedError beyond the limit, ShuttingDownError once it is closed.
    """

    def __init__(self, resource: str, limit: int) -> None:
        self._resource = resource
        self._limit = limit
        self._lock = threading.Lock()
        self._inside = 0
        self.closed = False

    @property
    def inside(self) -> int:
        """How many are in."""
        return self._inside

    def close(self) -> None:
        """Lets nobody in any more; whoever is in stays."""
        self.closed = True

    def __enter__(self) -> Self:
        if self.closed:
            raise ShuttingDownError
        with self._lock:
            if self._inside >= self._limit:
                raise OverloadedError(self._resource, self._limit)
            self._inside += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._inside -= 1


class Admission:
    """The gates of a server."""

    def __init__(self, *, max_unary_in_flight: int, max_streams: int) -> None:
        self.unary = Gate("calls", max_unary_in_flight)
        self.streams = Gate("streams", max_streams)
        self.frames = Gate("frames", max_streams)
        """Streams that work on a frame just now; never full, as each stream has one at a time."""

    def close(self) -> None:
        """Lets nothing new in."""
        for gate in (self.unary, self.streams, self.frames):
            gate.close()

    def wait_until_idle(self, deadline: float) -> bool:
        """Waits until no call and no frame is worked on, until `deadline` of time.monotonic."""
        while self.unary.inside or self.frames.inside:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.005)
        return True
