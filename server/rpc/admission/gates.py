"""Lets calls in or refuses them: unary calls, streams and control calls, each up to a limit of its own."""

from __future__ import annotations

import math
import time
from collections import deque
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
    """Lets in up to a limit at a time, in all and of each caller; never waits.

    Also a context manager: entering raises what `enter` returns. `leave` is for any thread; a gate that
    counts callers is entered on one thread only.

    resource: what it counts; limit: how many are let in; queue: tells whether those inside wait for too long;
    budget: how many are refused a second while they do.
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

        per_caller: the limit of one caller, among the calls that are counted by caller; uncounted: how many
        are let in before that counting begins, since naming the caller costs a call time; target_wait_s: the
        wait that is no overload however long it lasts.
        """
        self.resource = resource
        self.limit = limit
        self.closed = False
        self.callers = None if per_caller is None or per_caller >= limit else Callers(per_caller)
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
        """Whether `enter` has to be given the caller now."""
        return self.callers is not None and self.limit - len(self._free) >= self._uncounted

    def close(self) -> None:
        """Lets nothing more in; what is in stays."""
        self.closed = True

    def enter(self, caller: str = "") -> ServerError | None:
        """Takes a place, or returns the reason why there is none: OverloadedError, ShuttingDownError.

        caller: who calls, where the gate `counts_callers`; without it the call is not counted by caller.
        """
        if self.closed:
            return ShuttingDownError()
        if not self._free:
            return OverloadedError(self.resource, self.limit)
        if caller and self.callers is not None and not self.callers.enter(caller):
            return OverloadedError(self.resource, self._uncounted + self.callers.limit, "caller")
        if self.queue.stands and self.budget.take():
            if caller and self.callers is not None:
                self.callers.leave(caller)
            return OverloadedError(self.resource, self.limit, standing=True)
        self._free.pop()
        return None

    def leave(self, caller: str = "") -> None:
        """Frees a place; caller: as given to `enter`."""
        self._free.append(None)
        if caller and self.callers is not None:
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
    """Counts the streams that are working on a frame. A context manager, safe for threads."""

    def __init__(self) -> None:
        self.closed = False
        self._inside: deque[None] = deque()

    @property
    def inside(self) -> int:
        """How many are at work."""
        return len(self._inside)

    def close(self) -> None:
        """Lets no further frame begin."""
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
        # By default half of the whole: naming a caller costs a microsecond or two, so callers are named only
        # once a quarter is taken, and beyond that one caller gets another quarter.
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
        # Half of the cores, so that the polling thread still gets one to answer on.
        self.unpacking = Unpacking(limits.max_message_bytes, max(1, cores() // 2))

    def close(self) -> None:
        """Lets nothing new in except control calls."""
        for gate in (self.unary, self.streams, self.frames):
            gate.close()

    def wait_until_idle(self, deadline: float) -> bool:
        """Waits until no call and no frame is worked on, until `deadline` of time.monotonic."""
        while self.unary.inside or self.frames.inside:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.005)
        return True
