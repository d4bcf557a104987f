"""How many calls are let in at a time, and how many may be refused with a reason.

Calls in flight share one interpreter, so each of them makes all others wait. In calm a large bound lets
bursts through; at overload whoever is let in would wait for all the others for as long as it lasts.

To refuse a call with a reason costs as much as to answer one together with others. A server that did so
with whatever comes would soon do nothing else, so only so many are refused a second; who comes beyond that
waits in gRPC's own queue, which is short and ends what is too much for half the cost, as CANCELLED.
"""

from __future__ import annotations

import time
from collections.abc import Callable

REFUSALS_AT_ONCE = 64
_CALM_AFTER_S = 0.1


class Bound:
    """A bound of places that falls when nearly all is refused that may be. For one thread.

    64 may be refused at once, and after that so many a second. With less than half of the 64 left the bound
    falls to its value for overload. It doubles after each 100 ms in which there was more left, until it is
    what it is in calm.
    """

    def __init__(
        self, calm: int, overload: int, per_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Takes the bound in calm and that at overload, equal: it never changes; and refusals a second."""
        self.now = calm
        self._calm = calm
        self._overload = min(calm, overload)
        self._per_s = per_s
        self._clock = clock
        self._left = float(REFUSALS_AT_ONCE)
        self._looked = self._short = clock()

    @property
    def refusals(self) -> int:
        """How many more may be refused just now."""
        now = self._clock()
        self._left = min(self._left + (now - self._looked) * self._per_s, REFUSALS_AT_ONCE)
        self._looked = now
        while self.now < self._calm and now - self._short >= _CALM_AFTER_S:
            self.now = min(self._calm, self.now * 2)
            self._short += _CALM_AFTER_S
        return int(self._left)

    def refused(self) -> None:
        """Counts a call that was refused."""
        self._left = max(0.0, self.refusals - 1.0)
        if self._left < REFUSALS_AT_ONCE / 2:
            self.now = self._overload
            self._short = self._looked
