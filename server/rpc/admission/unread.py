"""Answers that have been made and have not left because their callers do not read.

gRPC keeps such an answer until its caller's flow-control window opens. What is kept is bounded in all and for
each connection: beyond that the calls whose answers have waited longest are cut off, so callers that read
lose nothing.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Protocol

from server.errors import OverloadedError, RequestTimeoutError, ServerError

_SHARE = 4
_GRACE_S = 1.0  # a connection that reads has moved on by then
_RESOURCE = "bytes of answers that are not read"
Clock = Callable[[], float]


class Answered(Protocol):
    """A call that has an answer under way."""

    def peer(self) -> object:
        """Returns what names the connection, the same for all its calls."""

    def cut(self, error: ServerError, /) -> None:
        """Ends the call at once, and drops whatever is under way."""


_Answer = tuple[float, int, Answered]
"""Since when, how many bytes, and of which call."""


class UnreadAnswers:
    """Counts answers that are under way. `add` and `remove` are for any thread, `end` is for one."""

    def __init__(self, timeout_s: float, most_bytes: int, clock: Clock = time.monotonic) -> None:
        """Takes how long an answer to a unary call may wait, and how many bytes of all answers may wait.

        Of these bytes one connection may keep a quarter waiting for more than a second.
        """
        self._timeout_s = timeout_s
        self._most_bytes = most_bytes
        self._clock = clock
        self._answers: dict[Answered, tuple[float, int, bool]] = {}

    def __len__(self) -> int:
        """Returns how many calls have answers under way."""
        return len(self._answers)

    @property
    def bytes(self) -> int:
        """How many bytes are under way."""
        return sum(size for _, size, _ in list(self._answers.values()))

    def add(self, call: Answered, size: int, *, timed: bool) -> None:
        """Counts what a call has under way from now on; timed: whether its wait is limited."""
        self._answers[call] = (self._clock(), size, timed)

    def remove(self, call: Answered) -> None:
        """Stops counting a call; one that is not counted is no error."""
        self._answers.pop(call, None)

    def end(self) -> None:
        """Cuts off calls whose answers have waited too long, and beyond the bytes the longest waiting."""
        if not self._answers:
            return
        now, share = self._clock(), self._most_bytes // _SHARE
        answers = list(self._answers.items())  # a copy made in one step: other threads go on
        for call, (since, _, timed) in answers:
            if timed and now - since > self._timeout_s:
                self._cut(call, RequestTimeoutError(self._timeout_s))
        if sum(size for _, (_, size, _) in answers) <= share:
            return
        left = [(since, size, call) for call, (since, size, _) in answers if call in self._answers]
        left.sort(key=lambda answer: answer[0])
        connections: dict[object, list[_Answer]] = defaultdict(list)
        for answer in left:
            connections[answer[2].peer()].append(answer)
        for its in connections.values():
            waiting = [answer for answer in its if now - answer[0] > _GRACE_S]
            self._cut_beyond(share, _total(its), waiting, OverloadedError(_RESOURCE, share, "caller"))
        left = [answer for answer in left if answer[2] in self._answers]
        error = OverloadedError(_RESOURCE, self._most_bytes)
        self._cut_beyond(self._most_bytes, _total(left), left, error)

    def _cut_beyond(self, most: int, total: int, answers: list[_Answer], error: ServerError) -> None:
        """Cuts calls off, in their order, until the total is within the limit."""
        for _, size, call in answers:
            if total <= most:
                return
            self._cut(call, error)
            total -= size

    def _cut(self, call: Answered, error: ServerError) -> None:
        self._answers.pop(call, None)
        call.cut(error)


def _total(answers: list[_Answer]) -> int:
    return sum(size for _, size, _ in answers)
