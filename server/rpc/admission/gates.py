"""How much is let in: unary calls, streams and control calls, counted apart, refused beyond their limits."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

from server.errors import OverloadedError, ServerError, ShuttingDownError
from server.host.scheduling import cores
from server.rpc.admission.callers import Callers
from server.rpc.admission.compression import Unpacking
from server.rpc.admission.overload import RefusalBudget, StandingQueue
from server.settings.limits import Limits

_CONTROL_WAITING = 1024


class Gate:
    """Lets in so many at a time, in all and of each caller; never waits.

    Also a context manager, whose entering raises what `enter` returns. Anyone may leave on any thread; a gate
    that counts callers is entered on one only.

    resource: what it counts; limit: how many are let in; queue: how long those inside wait for their turn;
    budget: how many are refused a second where refusing is what costs.
    """

    def __init__(
        self,
        resource: str,
        limit: int,
        *,
        per_caller: int | None = None,
        uncounted: int = 0,
        target_wait_s: float = math.inf,
        refusals_per_s: float = 0.0,
    ) -> None:
        """Takes the limits.

        per_caller: that of one caller, among those who are counted; uncounted: how many are let in before
        callers are counted, which costs a call its caller's name; target_wait_s: wait that may last.
        """
        self.resource = resource
        self.limit = limit
        self.closed = False
        self.callers = Callers(limit if per_caller is None else min(per_caller, limit))
        self._counts = self.callers.limit < limit
        self.queue = StandingQueue(target_wait_s)
        self.budget = RefusalBudget(refusals_per_s)
        self._uncounted = uncounted
        # Places as tokens: a deque's own operations need no lock around them, and this runs for each call.
        self._free = deque([None] * limit)

    @property
    def inside(self) -> int:
        """How many are in."""
        return self.limit - len(self._free)

    @property
    def counts_callers(self) -> bool:
        """Whether whoever enters now has to say whose call it is."""
        return self._counts and self.limit - len(self._free) >= self._uncounted

    def counted_as(self, identity: str, own_limit: int | None, name: Callable[[], str]) -> str:
        """Returns under whose name a newcomer is to enter; empty where callers are not counted just now.

        identity: who calls, if that is known; own_limit: that of the caller; name: gives one otherwise.
        """
        # As `counts_callers`, written out: this runs for each call.
        if own_limit is None and not (self._counts and self.limit - len(self._free) >= self._uncounted):
            return ""
        return identity or name()

    def close(self) -> None:
        """Lets nobody in any more; whoever is in stays."""
        self.closed = True

    def enter(self, caller: str = "", own_limit: int | None = None) -> ServerError | None:
        """Takes a place, or returns the reason why there is none: OverloadedError, ShuttingDownError.

        caller: whose it is, where the gate `counts_callers` or the caller has a limit of its own; without a
        name it is not counted.
        """
        if self.closed:
            return ShuttingDownError()
        if not self._free:
            return OverloadedError(self.resource, self.limit)
        if caller and not self.callers.enter(caller, own_limit):
            most = self._uncounted + self.callers.limit if own_limit is None else own_limit
            return OverloadedError(self.resource, most, "caller")
        if self.queue.stands and self.budget.take():
            if caller:
                self.callers.leave(caller)
            return OverloadedError(self.resource, self.limit, standing=True)
        self._free.pop()
        return None

    def leave(self, caller: str = "") -> None:
        """Frees a place; caller: as it was given to `enter`."""
        self._free.append(None)
        if caller:
            self.callers.leave(caller)

    def __enter__(self) -> Self:
        refusal = self.enter()
        if refusal is not None:
            raise refusal
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()


class Frames:
    """Counts the streams that work on a frame just now. A context manager, safe for threads."""

    def __init__(self) -> None:
        self.closed = False
        self._inside: deque[None] = deque()

    @property
    def inside(self) -> int:
        """How many are at work."""
        return len(self._inside)

    def close(self) -> None:
        """Lets no frame begin any more."""
        self.closed = True

    def __enter__(self) -> Self:
        """Raises ShuttingDownError once closed."""
        if self.closed:
            raise ShuttingDownError
        self._inside.append(None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._inside.pop()


class Admission:
    """The gates of a server."""

    def __init__(self, limits: Limits) -> None:
        calls, streams = limits.max_unary_in_flight, limits.max_streams
        # By default half of the whole. To name a caller costs a call a microsecond or two, so that is done
        # only once a quarter is taken, and of what is beyond one caller gets a quarter.
        named = limits.max_unary_per_caller is None
        self.unary = Gate(
            "calls",
            calls,
            per_caller=max(1, calls // 4) if named else limits.max_unary_per_caller,
            uncounted=calls // 4 if named else 0,
            target_wait_s=limits.target_wait_s,
            refusals_per_s=limits.refusals_per_s,
        )
        self.streams = Gate(
            "streams",
            streams,
            per_caller=limits.max_streams_per_caller or max(1, streams // 2),
            refusals_per_s=limits.refusals_per_s,
        )
        self.control = Gate("control calls", _CONTROL_WAITING)
        self.watchers = Gate("watchers", _CONTROL_WAITING)
        self.frames = Frames()
        # Half of the cores, so that what is answered between events goes on beside it.
        self.unpacking = Unpacking(limits.max_message_bytes, max(1, cores() // 2))

    def close(self) -> None:
        """Lets nothing new in, but control calls."""
        for gate in (self.unary, self.streams, self.frames):
            gate.close()

    def wait_until_idle(self, deadline: float) -> bool:
        """Waits until no call and no frame is worked on, until `deadline` of time.monotonic."""
        while self.unary.inside or self.frames.inside:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.005)
        return True
