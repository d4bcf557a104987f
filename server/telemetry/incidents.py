"""The log of incidents: faults of the server, each under an id that its caller is told.

A fault that every call meets must not cost every call a traceback, nor fill the disk: of one kind a few
tracebacks a minute are written, of all kinds a bounded number of lines a second; the rest is counted.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from types import TracebackType

import structlog

_LOG = structlog.get_logger(__name__)
TRACEBACKS_A_MINUTE = 3
"""Of one kind of incident: the same exception raised at the same line."""
LINES_A_SECOND = 20
_MOST_KINDS = 256
_MINUTE_S = 60.0


class IncidentLog:
    """Logs incidents. Safe for threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Starts with nothing written; `clock` returns seconds that never go back."""
        self._clock = clock
        self._lock = threading.Lock()
        self._second = self._minute = clock()
        self._lines = 0
        self._left_out = 0
        self._tracebacks: dict[tuple[type[BaseException], str, int], int] = {}

    def tell(self, error: BaseException) -> str:
        """Logs an incident, unless too many were logged lately, and returns its id."""
        incident_id = secrets.token_hex(6)
        path, line = _raised_at(error.__traceback__)
        with self._lock:
            now = self._clock()
            if now - self._second >= 1.0:
                self._second, self._lines = now, 0
            if now - self._minute >= _MINUTE_S or len(self._tracebacks) > _MOST_KINDS:
                self._minute = now
                self._tracebacks.clear()
            if self._lines >= LINES_A_SECOND:
                self._left_out += 1
                return incident_id
            self._lines += 1
            kind = (type(error), path, line)
            count = self._tracebacks[kind] = self._tracebacks.get(kind, 0) + 1
            left_out, self._left_out = self._left_out, 0
        more = {"left_out": left_out} if left_out else {}
        _LOG.error(
            "incident",
            incident_id=incident_id,
            error=type(error).__name__,
            at=f"{path}:{line}",
            exc_info=error if count <= TRACEBACKS_A_MINUTE else None,
            **more,
        )
        return incident_id


def _raised_at(trace: TracebackType | None) -> tuple[str, int]:
    """Returns the file and line of the innermost frame."""
    if trace is None:
        return "", 0
    while trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_frame.f_code.co_filename, trace.tb_lineno
