"""What tells an overload from a burst, and how many calls are refused a second.

Calls in flight share one interpreter, so each of them makes all others wait. A burst, or a moment in which
the process had no core, is over as soon as the queue has been worked off; refusing would only lose calls.
An overload is a queue that stands: the wait in it stays above a target for a whole interval, whatever is
done (the rule of CoDel, RFC 8289, for when to drop).

To refuse a call costs as much as to answer one together with others. A server that did so with whatever
comes would soon do nothing else, so refusals have a budget.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

INTERVAL_S = 0.1
REFUSALS_AT_ONCE = 64
Clock = Callable[[], float]


class StandingQueue:
    """Watches how long calls waited before they were worked on.

    stands: whether the wait has stayed above the target for an interval; one short wait ends that, and so
    does an interval without any, for then nobody is left in the queue.
    """

    def __init__(self, target_s: float, clock: Clock = time.monotonic) -> None:
        """Takes the wait that is no overload however long it lasts."""
        self.stands = False
        self._target_s = target_s
        self._clock = clock
        self._above_since: float | None = None
        self._waited = -math.inf  # when a call last had, for too long

    def waited(self, seconds: float) -> None:
        """Takes the wait of a call whose turn has come."""
        if seconds <= self._target_s:
            self._above_since = None
            self.stands = False
            return
        now = self._waited = self._clock()
        if self._above_since is None:
            self._above_since = now
        elif now - self._above_since >= INTERVAL_S:
            self.stands = True

    def still_stands(self) -> bool:
        """Returns whether it stands, after a look at the time. For whoever enters."""
        if self.stands and self._clock() - self._waited > INTERVAL_S:
            self._above_since = None
            self.stands = False
        return self.stands


class RefusalBudget:
    """How many calls may be refused: 64 at once and so many a second after that. For one thread."""

    def __init__(self, per_s: float, clock: Clock = time.monotonic) -> None:
        """Takes how many are refused a second; 0: any number."""
        self._per_s = per_s
        self._clock = clock
        self._left = float(REFUSALS_AT_ONCE)
        self._looked = clock()

    def take(self) -> bool:
        """Takes one from the budget; returns whether there was one."""
        if not self._per_s:
            return True
        now = self._clock()
        self._left = min(self._left + (now - self._looked) * self._per_s, REFUSALS_AT_ONCE)
        self._looked = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
