"""How many calls are let in at a time: many in calm, few while more comes than can be done.

Calls in flight share one interpreter, so each of them makes all others wait. In calm a large bound lets
bursts through; once it is reached and calls are refused, whoever is let in would wait for all the others
for as long as the overload lasts. So the bound falls, and rises again as refusals end.
"""

from __future__ import annotations

import time
from collections.abc import Callable

_WINDOW_S = 0.1
_REFUSED_SHARE = 1 / 3  # refusing costs too: with less, what an overload left over would keep the bound low


class Bound:
    """A bound of places that follows the share of refusals. For one thread.

    It is looked at every 100 ms: with more than a third of the calls refused it falls to its value for
    overload at once, otherwise it doubles until it is what it is in calm.
    """

    def __init__(self, calm: int, overload: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Takes the bound in calm and that at overload; equal: it never changes."""
        self.now = calm
        self._calm = calm
        self._overload = min(calm, overload)
        self._clock = clock
        self._began = clock()
        self._admitted = self._refused = 0

    def admitted(self) -> None:
        """Counts a call that was let in."""
        self._admitted += 1
        if self.now < self._calm:
            self._look()

    def refused(self) -> None:
        """Counts a call that was refused because of the bound."""
        self._refused += 1
        self._look()

    def _look(self) -> None:
        windows = int((self._clock() - self._began) / _WINDOW_S)
        if not windows:
            return
        many = self._refused > _REFUSED_SHARE * (self._admitted + self._refused)
        if many and windows == 1:
            self.now = self._overload
        elif self.now < self._calm:
            # Nobody came for longer than a window: as many windows without refusals have gone by.
            self.now = min(self._calm, self.now << min(windows, 16))
        self._began = self._clock()
        self._admitted = self._refused = 0
