"""How much is let in: unary calls, streams and control calls, counted apart, refused beyond their limits."""

from __future__ import annotations

import time
from collections import deque
from types import TracebackType
from typing import Self

from server.config import Limits
from server.errors import OverloadedError, ServerError, ShuttingDownError
from server.rpc.bound import Bound
from server.rpc.callers import Callers

_CONTROL_WAITING = 1024


class Gate:
    """Lets in so many at a time, in all and of each caller; never waits.

    Also a context manager, whose entering raises what `enter` gives. Anyone may leave on any thread; a gate
    whose bound changes or that counts callers is entered on one only.
    """

    def __init__(
        self,
        resource: str,
        limit: int,
        *,
        at_overload: int | None = None,
        per_caller: int | None = None,
        refusals_per_s: float = 0.0,
    ) -> None:
        """Takes the limits; at_overload: the one while many are refused; per_caller: that of one caller.

        refusals_per_s: how many calls are wanted beyond the limit, only to be refused; for gates whose calls
        are asked for by `wanted`.
        """
        self.resource = resource
        self.limit = limit
        self.closed = False
        self.callers = None if per_caller is None or per_caller >= limit else Callers(per_caller)
        self._bound = Bound(limit, limit if at_overload is None else at_overload, refusals_per_s)
        # Places as tokens: a deque's own operations need no lock around them, and this runs for each call.
        self._free = deque([None] * limit)

    @property
    def inside(self) -> int:
        """How many are in."""
        return self.limit - len(self._free)

    @property
    def wanted(self) -> int:
        """How many may come just now: to be let in, or to be refused."""
        refusals = self._bound.refusals  # which moves the bound
        return max(0, self._bound.now - self.limit + len(self._free)) + refusals

    def close(self) -> None:
        """Lets nobody in any more; whoever is in stays."""
        self.closed = True

    def enter(self, caller: str = "") -> ServerError | None:
        """Takes a place, or gives the reason why there is none: OverloadedError, ShuttingDownError.

        caller: whose it is, for gates that have `callers`.
        """
        if self.closed:
            return ShuttingDownError()
        free, bound = self._free, self._bound
        if len(free) <= self.limit - bound.now:
            bound.refused()
            return OverloadedError(self.resource, bound.now)
        if self.callers is not None and not self.callers.enter(caller):
            bound.refused()
            return OverloadedError(self.resource, self.callers.limit, "caller")
        free.pop()
        return None

    def leave(self, caller: str = "") -> None:
        """Gives a place back."""
        self._free.append(None)
        if self.callers is not None:
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
        self.unary = Gate(
            "calls",
            limits.max_unary_in_flight,
            at_overload=limits.unary_at_overload,
            per_caller=limits.max_unary_per_caller,
            refusals_per_s=limits.refusals_per_s,
        )
        self.streams = Gate(
            "streams",
            limits.max_streams,
            per_caller=limits.max_streams_per_caller,
            refusals_per_s=limits.refusals_per_s,
        )
        self.control = Gate("control calls", _CONTROL_WAITING)
        self.frames = Frames()

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
