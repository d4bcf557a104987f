"""Checks a region in the background, a few records at a time, for as long as it is in use.

So a flipped bit is found within a known time, and not only when its entity comes again. Each step takes the
lock for some microseconds. The thread has the same priority as all others: one that had to wait for an idle
machine could be stopped while it holds the lock, and with it the calls.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from server.state.region.shared import RegionHistory

_STEP_S = 0.025


class Scrubber:
    """Checks a history until it is stopped."""

    def __init__(self, history: RegionHistory, records_per_s: int) -> None:
        """Takes the history, and how many of its records are checked a second; 0: none."""
        self._step = max(1, round(records_per_s * _STEP_S)) if records_per_s else 0
        self._history = history
        self._pause_s = self._step / records_per_s if records_per_s else 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="history-check", daemon=True)

    def start(self) -> None:
        """Starts checking, unless nothing is to be checked."""
        if self._step:
            self._thread.start()

    def stop(self) -> None:
        """Ends after the current step."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        for step in self._steps():
            step()
            if self._stopping.wait(self._pause_s):
                return

    def _steps(self) -> Iterator[Callable[[], object]]:
        while True:
            yield from self._history.checks(self._step)
