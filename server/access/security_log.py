"""The security log: who was refused what and why, in lines that hold no secret and cannot fill a disk.

No token, no claim but the subject, and no more lines of one reason a second than a person could read; what is
left out is counted in the next line of that reason. The logger is named "security", so that it can be sent
elsewhere.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog

_LOG = structlog.get_logger("security")
LINES_A_SECOND = 10
"""Of one reason."""


class SecurityLog:
    """Writes refusals down. Safe for threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Starts with nothing written; `clock` returns seconds that never go back."""
        self._clock = clock
        self._lock = threading.Lock()
        self._seconds: dict[str, tuple[float, int, int]] = {}  # since when, lines, left out

    def refused(self, reason: str, **facts: str) -> None:
        """Writes down that somebody was refused, unless too many were for this reason."""
        with self._lock:
            now = self._clock()
            since, lines, left_out = self._seconds.get(reason, (now, 0, 0))
            if now - since >= 1.0:
                since, lines = now, 0
            if lines >= LINES_A_SECOND:
                self._seconds[reason] = (since, lines, left_out + 1)
                return
            self._seconds[reason] = (since, lines + 1, 0)
        more = {"left_out": left_out} if left_out else {}
        _LOG.warning("access refused", reason=reason, **facts, **more)
