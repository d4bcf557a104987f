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
_ENOUGH = REFUSALS_AT_ONCE / 2
_FALLS_AFTER_S = 0.1
_CALM_AFTER_S = 0.1
_TRIES_CALM_AFTER_S = 20.0


class Bound:
    """A bound of places that falls when nearly all is refused that may be. For one thread.

    64 may be refused at once, and after that so many a second. With less than half of the 64 left for
    100 ms on end the bound falls to its value for overload: a burst is over by then, and to answer few at a
    time would make it last. The bound doubles after each 100 ms in which there was more left, until it is
    what it is in calm. It is that again, for 100 ms at least, after 20 s of overload: a load that the server
    could carry in calm, but not with the lower bound, does not keep it down for longer.
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
        self._looked = self._short = self._enough = self._fell = clock()

    @property
    def refusals(self) -> int:
        """How many more may be refused just now."""
        now = self._clock()
        self._left = min(self._left + (now - self._looked) * self._per_s, REFUSALS_AT_ONCE)
        self._looked = now
        if self._left >= _ENOUGH:
            self._enough = now
        while self.now < self._calm and now - self._short >= _CALM_AFTER_S:
            self.now = min(self._calm, self.now * 2)
            self._short += _CALM_AFTER_S
        return int(self._left)

    def refused(self) -> None:
        """Counts a call that was refused."""
        self._left = max(0.0, self.refusals - 1.0)
        if self._left >= _ENOUGH:
            return
        now = self._short = self._looked
        if self.now > self._overload:
            if now - self._enough > _FALLS_AFTER_S:
                self.now, self._fell = self._overload, now
        elif now - self._fell > _TRIES_CALM_AFTER_S:
            self.now, self._enough = self._calm, now
