"""How many tokens that are not known yet are checked a second: a signature takes longer than a score."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

CHECKS_AT_ONCE = 256


class CheckBudget:
    """So many at once, and so many a second after that. Safe for threads."""

    def __init__(self, per_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_s = per_s
        self._clock = clock
        self._lock = threading.Lock()
        self._left = float(CHECKS_AT_ONCE)
        self._looked = clock()

    def take(self) -> bool:
        """Takes one; returns whether there was one."""
        with self._lock:
            now = self._clock()
            self._left = min(self._left + (now - self._looked) * self.per_s, CHECKS_AT_ONCE)
            self._looked = now
            if self._left < 1:
                return False
            self._left -= 1
            return True
