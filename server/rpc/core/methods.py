"""Methods whose handlers take and return bytes: which calls are let in, and which thread answers them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from server.errors import OverloadedError, RequestTimeoutError, ShuttingDownError
from server.rpc.admission.gates import Gate
from server.rpc.admission.unread import UnreadAnswers
from server.rpc.admission.waiting import Held, Waiting
from server.rpc.calls.edge import Edge
from server.rpc.calls.transport import Answer, Answers, Patience
from server.rpc.core.asking import TakeUp
from server.rpc.core.calls import Lane
from server.rpc.core.streams.call import StreamCall
from server.rpc.core.streams.method import StreamMethod
from server.rpc.core.streams.reading import AHEAD_BYTES
from server.rpc.core.unary import UnaryCall, UnaryMethod
from server.rpc.core.work import Call, work_for
from server.rpc.errors import CallStatus

_SHORT_BYTES = 6144  # about forty transactions, which take less than half a millisecond
_LONGEST_FRAME_BYTES = 1 << 17  # about a thousand, which take some milliseconds
_MOST_WAITING = 4096  # calls of a kind whose requests have not come
_MOST_PUT_OFF = 8192
_LOOK_S = 0.1


class ByteMethods:
    """Methods of a server that are taken up without grpcio's help; complete before calls come.

    ready: calls that wait for the polling thread to work for them; refused: calls that wait to be refused;
    hot: the methods whose calls gRPC is asked for by name, by full name.
    """

    def __init__(
        self,
        edge: Edge,
        name_of: Callable[[Any], str],
        lane: Callable[[Gate], Lane],
        frames: Lane,
        packed: Lane,
        waits: Callable[[], bool],
        patience: Patience,
    ) -> None:
        """Takes what names the caller of an event, and the threads for what is not done between events.

        frames: those of large frames; packed: those of compressed requests; waits: whether work may have to
        wait at the moment for a disk or another machine.
        """
        self.ready: deque[Call] = deque()
        self.refused: deque[tuple[Call, CallStatus]] = deque()
        self.hot: dict[str, TakeUp] = {}
        self._edge, self._name_of, self._waits = edge, name_of, waits
        self._unary = edge.admission.unary
        self._lane, self._frames, self._packed = lane, frames, packed
        self._unpacking = edge.admission.unpacking
        self._methods: dict[bytes, TakeUp] = {}
        self._streams: list[StreamMethod[StreamCall]] = []
        self._idle_s = patience.stream_idle_s
        self._timeout_s = patience.caller_timeout_s
        self._look_again = 0.0
        self._held = Held(patience.held_bytes)
        self._calls = Waiting(patience.caller_timeout_s, _MOST_WAITING)
        self._silent = Waiting(None, _MOST_WAITING)
        self._unread = UnreadAnswers(patience.caller_timeout_s, patience.unread_bytes)
        edge.metrics.holds(lambda: self._held.bytes, lambda: self._unread.bytes)

    def add_unary(
        self,
        name: str,
        answer: Answer,
        *,
        short: bool = False,
        answers: Answers | None = None,
        gate: Gate | None = None,
    ) -> None:
        """Adds a method by its full name, with slashes.

        short: whether it takes well below a millisecond; answers: for calls that are ready at the same time;
        gate: that of calls, unless given.
        """
        gate = gate or self._unary
        waits, ready, lane = self._waits, self.ready, self._lane(gate)

        def begin(call: UnaryCall) -> None:
            if call.packed:
                self._work_packed(call)
            elif short and not waits():
                ready.append(call)
            else:
                lane.put(lambda: work_for([call], 0))

        method = UnaryMethod(
            answer,
            gate,
            self._edge.refusal,
            self._name_of,
            self._calls,
            self._unread,
            self._held,
            self._unpacking,
            self._edge.status,
            self._put_off,
            begin,
            answers,
        )

        def take_up(event: Any) -> UnaryCall:
            return UnaryCall(method, event)

        if short:
            self.hot[name] = take_up
        else:
            self._methods[name.encode()] = take_up

    def add_stream(self, name: str, answer: Answer, answers: Answers | None = None) -> None:
        """Adds a method of streams by its full name, with slashes.

        answers: for frames that are ready at the same time.
        """
        edge, waits, ready, put = self._edge, self._waits, self.ready, self._frames.put
        unary = self._unary

        def begin(call: StreamCall) -> None:
            # Longer ones only while nothing else would wait for them. Other threads call this too: what they
            # have just sent wakes the polling thread up.
            most = _SHORT_BYTES if ready or unary.inside else _LONGEST_FRAME_BYTES
            if call.packed:
                self._work_packed(call)
            elif call.size <= most and not waits():
                ready.append(call)
            else:
                put(lambda: work_for([call], AHEAD_BYTES))

        method = StreamMethod(
            answer,
            edge.admission.streams,
            edge.admission.frames,
            edge.lifetimes,
            edge.status,
            begin,
            edge.refusal,
            self._name_of,
            self._silent,
            self._held,
            self._unread,
            self._unpacking,
            self._later,
            self._idle_s,
            answers,
        )
        self._streams.append(method)

        def take_up(event: Any) -> StreamCall:
            return StreamCall(method, event)

        self.hot[name] = take_up

    def take_up(self, event: Any) -> Call | None:
        """Makes a call of one that arrived; None for methods that are not here."""
        method = self._methods.get(event.call_details.method)
        return None if method is None else method(event)

    def work(self) -> None:
        """Answers the call that has been ready longest, with those behind it that may join it."""
        ready = self.ready
        calls = [ready.popleft()]
        method, size = calls[0].method, calls[0].size
        room = _SHORT_BYTES if self._unary.inside else AHEAD_BYTES
        while ready and ready[0].method is method and size + ready[0].size <= room:
            size += ready[0].size
            calls.append(ready.popleft())
        work_for(calls, room // len(calls))

    def end_streams(self) -> None:
        """Ends each stream after its current frame."""
        for method in self._streams:
            for stream in list(method.open):
                stream.end(ShuttingDownError())

    def end_what_waits(self) -> None:
        """Ends calls whose callers keep them waiting, and refuses those whose refusal was put off."""
        now = time.monotonic()
        if now >= self._look_again:
            self._look_again = now + _LOOK_S
            late = RequestTimeoutError(self._timeout_s)
            beyond = OverloadedError("calls without a request", _MOST_WAITING)
            for waiting in (self._calls, self._silent):
                waiting.end(late, beyond)
            self._unread.end()
        refused, gate = self.refused, self._unary
        while refused and (len(refused) > _MOST_PUT_OFF or gate.closed or gate.budget.take()):
            call, status = refused.popleft()
            call.refuse(status)

    def _put_off(self, call: UnaryCall, status: CallStatus) -> None:
        """Refuses a call at once if the budget allows, else behind those that were put off before it."""
        if not self._later(call, status):
            call.refuse(status)

    def _later(self, call: Call, status: CallStatus) -> bool:
        """Puts a refusal off, behind earlier ones, unless the budget allows it; returns whether it did."""
        if not self.refused and (self._unary.closed or self._unary.budget.take()):
            return False
        self.refused.append((call, status))
        return True

    def _work_packed(self, call: Call) -> None:
        """Has a call whose request is compressed answered when it is its turn."""

        def work() -> None:
            with self._unpacking.turn:
                work_for([call], 0)

        self._packed.put(work)
