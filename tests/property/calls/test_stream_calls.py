"""Streams against a gRPC that does its part in any order: what was begun, sent and given back stays right."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest
from google.rpc import status_pb2
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # compiled, without stubs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from server.errors import ServerError, ShuttingDownError, StreamExpiredError
from server.rpc.admission.compression import Unpacking
from server.rpc.admission.gates import Admission
from server.rpc.admission.unread import UnreadAnswers
from server.rpc.admission.waiting import Held, Waiting
from server.rpc.calls.lifetime import Lifetimes
from server.rpc.core.streams import answering, reading
from server.rpc.core.streams.call import StreamCall
from server.rpc.core.streams.method import StreamMethod
from server.rpc.core.work import work_for
from server.rpc.errors import CallStatus
from server.settings.limits import Limits
from tests.support.examples import examples

_RECEIVE, _CLOSE = cygrpc.ReceiveMessageOperation, cygrpc.ReceiveCloseOnServerOperation
_AHEAD = 3  # frames that are read ahead here, so that the bound is met
_SEND, _STATUS = cygrpc.SendMessageOperation, cygrpc.SendStatusFromServerOperation


class Operation:
    """What an operation came to."""

    def __init__(self, message: bytes | None = None, *, cancelled: bool = False) -> None:
        self._message, self._cancelled = message, cancelled

    def message(self) -> bytes | None:
        return self._message

    def cancelled(self) -> bool:
        return self._cancelled


class Event:
    """A batch that ended, or with `call` one that arrived."""

    def __init__(self, *operations: Operation, call: Any = None) -> None:
        self.batch_operations, self.call = operations, call


class Streams(RuleBasedStateMachine):
    """One stream: its caller sends, reads, closes, goes away; the server works, ends it, goes down."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(reading, "AHEAD_FRAMES", _AHEAD)
        self.patch.setattr(answering, "_COUNTED_BYTES", 0)
        admission = Admission(Limits())
        self.gate = admission.streams
        self.frames = admission.frames
        self.pending: dict[type, Any] = {}  # by kind of operation, what is to be told
        self.to_do: deque[StreamCall] = deque()
        self.held = Held(1 << 20)
        self.unread = UnreadAnswers(60, 1 << 20)
        self.sent: deque[bytes] = deque()  # by the caller, not read by the server
        self.number = 0
        self.begun: list[bytes] = []
        self.answered: list[bytes] = []
        self.received = 0
        self.half_closed = self.cancelled = self.finished = self.ended = False
        method = StreamMethod(
            self._answer,
            self.gate,
            self.frames,
            Lifetimes(60),
            self._status,
            self.to_do.append,
            lambda _, error: self._status(error),
            lambda _: "",
            Waiting(None, 10),
            self.held,
            self.unread,
            Unpacking(1 << 20, 1),
            lambda *_: False,
            60.0,
            self._answer_together,
        )
        self.call = StreamCall(method, Event(call=self))
        self.call.receive()

    # The part of gRPC.

    def start_server_batch(self, operations: tuple[Any, ...], tell: Any) -> None:
        assert not self.finished, "nothing is begun behind the status"
        kinds = {type(operation) for operation in operations} & {_RECEIVE, _CLOSE, _SEND, _STATUS}
        (kind,) = kinds
        assert kind not in self.pending, "one of each kind at a time"
        self.pending[kind] = tell
        if kind is _SEND:
            self.answered.append(b"")
        if kind is _STATUS:
            assert _SEND not in self.pending, "the status comes behind the last answer"
            self.finished = True

    def _tell(self, kind: type, operation: Operation) -> None:
        tell = self.pending.pop(kind)
        found, callbacks = tell(Event(operation))
        assert callbacks == ()
        assert not self.ended, "gRPC is told once that the call is over"
        if found is not None:
            assert found is self.call
            assert not self.pending
            self.ended = True

    # The part of the server.

    def _answer(self, frame: bytes) -> bytes | CallStatus:
        self.begun.append(frame)
        return self._status(StreamExpiredError()) if frame.startswith(b"bad") else b"answer " + frame

    def _answer_together(self, frames: list[bytes]) -> list[bytes | CallStatus] | None:
        """Takes frames together unless one of them is bad, and then does nothing."""
        assert len(frames) <= _AHEAD
        if any(frame.startswith(b"bad") for frame in frames):
            return None
        return [self._answer(frame) for frame in frames]

    @staticmethod
    def _status(error: ServerError) -> CallStatus:
        return CallStatus(status_pb2.Status(code=14, message=str(error)))

    # What happens.

    @precondition(lambda self: not self.half_closed)
    @rule(bad=st.integers(0, 9).map(lambda n: n == 0))
    def a_frame_is_sent(self, bad: bool) -> None:
        self.sent.append(b"%s %d" % (b"bad" if bad else b"good", self.number))
        self.number += 1

    @rule()
    def the_caller_closes_its_half(self) -> None:
        self.half_closed = True

    @precondition(lambda self: _RECEIVE in self.pending)
    @rule()
    def a_read_ends(self) -> None:
        if self.cancelled or self.finished:
            self._tell(_RECEIVE, Operation())
        elif self.sent:
            self.received += 1
            self._tell(_RECEIVE, Operation(self.sent.popleft()))
        elif self.half_closed:
            self._tell(_RECEIVE, Operation())

    @precondition(lambda self: _SEND in self.pending)
    @rule()
    def an_answer_has_left(self) -> None:
        self._tell(_SEND, Operation())

    @precondition(lambda self: self.to_do)
    @rule(room=st.sampled_from([0, 14, 1000]))
    def frames_are_worked_on(self, room: int = 1000) -> None:
        work_for([self.to_do.popleft()], room)

    @precondition(lambda self: not self.cancelled and not self.finished)
    @rule()
    def the_caller_goes_away(self) -> None:
        self.cancelled = True
        self._tell(_CLOSE, Operation(cancelled=True))

    @rule()
    def its_time_is_over(self) -> None:
        self.call.end(StreamExpiredError())

    @rule()
    def the_server_goes_down(self) -> None:
        self.frames.close()
        self.call.end(ShuttingDownError())

    @precondition(lambda self: self.finished and _STATUS in self.pending)
    @rule()
    def the_status_has_left(self) -> None:
        self._tell(_STATUS, Operation())
        if not self.cancelled:
            self._tell(_CLOSE, Operation())

    # What holds.

    @invariant()
    def little_is_held(self) -> None:
        assert len(self.to_do) <= 1
        assert self.received <= len(self.begun) + _AHEAD
        # What was made of one reading ahead, behind an answer that is on its way.
        assert len(self.begun) <= len(self.answered) + _AHEAD

    @invariant()
    def what_is_held_is_what_was_received_and_not_begun(self) -> None:
        assert self.held.bytes == self.call._ahead_bytes >= 0

    @invariant()
    def answers_are_counted_while_they_are_on_their_way_and_no_longer(self) -> None:
        on_their_way = _SEND in self.pending and not self.cancelled
        assert (self.unread.bytes > 0) == on_their_way

    @invariant()
    def frames_are_begun_once_and_in_order(self) -> None:
        assert [int(frame.split()[1]) for frame in self.begun] == list(range(len(self.begun)))

    @invariant()
    def the_place_is_held_until_the_end_and_given_back_once(self) -> None:
        over = self.finished or self.cancelled
        entered = self.received > 0  # with its first message
        assert self.gate.inside == (0 if not entered or (over and not self.to_do) else 1)

    def teardown(self) -> None:
        """Whatever came before, a caller that sends no more and reads on is answered and let go."""
        try:
            self._read_on_to_the_end()
        finally:
            self.patch.undo()

    def _read_on_to_the_end(self) -> None:
        self.half_closed = True
        for _ in range(10 * (self.number + 5)):
            for step in (
                self.frames_are_worked_on,
                self.a_read_ends,
                self.an_answer_has_left,
                self.the_status_has_left,
            ):
                needed = {
                    "frames_are_worked_on": bool(self.to_do),
                    "a_read_ends": _RECEIVE in self.pending,
                    "an_answer_has_left": _SEND in self.pending,
                    "the_status_has_left": _STATUS in self.pending,
                }
                if needed[step.__name__]:
                    step()
        assert self.ended
        assert self.gate.inside == 0


Streams.TestCase.settings = settings(examples(300), stateful_step_count=40)
TestStreams = Streams.TestCase
