"""Tells an overload from a burst, and bounds how many calls are refused a second; `gates` refuses them.

Calls in flight share one interpreter, so each makes all others wait. A burst, or a moment in which the
process had no core, is over as soon as the queue has been worked off; refusing would only lose calls. An
overload is a queue that stands: the wait in it stays above a target for a whole interval (the rule by which
CoDel, RFC 8289, drops).

Refusing a call costs as much as answering one together with others. A server that refused whatever comes
would soon do nothing else, so refusals have a budget.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

INTERVAL_S = 0.1
REFUSALS_AT_ONCE = 64
Clock = Callable[[], float]


class StandingQueue:
    """Watches how long calls wait before they are worked on. Safe for threads."""

    def __init__(self, target_s: float, clock: Clock = time.monotonic) -> None:
        """Takes the longest wait that is no overload, however long it lasts."""
        self._target_s = target_s
        self._clock = clock
        self._above_since: float | None = None
        self._long = False  # the wait has stayed above the target for an interval
        self._waiting: deque[None] = deque()  # a deque's own operations need no lock around them

    @property
    def stands(self) -> bool:
        """Whether calls wait, and the wait has stayed above the target for an interval.

        One short wait ends that, and so does an empty queue: there is nothing that a refusal would shorten.
        """
        return self._long and bool(self._waiting)

    def came(self) -> None:
        """Counts a call that begins to wait for its turn."""
        self._waiting.append(None)

    def waited(self, seconds: float) -> None:
        """Takes how long a call has waited whose turn has come."""
        self._waiting.pop()
        if seconds <= self._target_s:
            self._above_since = None
            self._long = False
            return
        now = self._clock()
        if self._above_since is None:
            self._above_since = now
        elif now - self._above_since >= INTERVAL_S:
            self._long = True


class RefusalBudget:
    """How many calls may be refused: 64 at once, then a number a second. For one thread."""

    def __init__(self, per_s: float, clock: Clock = time.monotonic) -> None:
        """Takes how many may be refused a second; 0: any number."""
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
