"""The methods whose handlers take bytes to bytes: who is let in, and which thread works for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from server.errors import ShuttingDownError
from server.rpc.admission import Gate
from server.rpc.calls import Lane
from server.rpc.edge import Edge
from server.rpc.errors import CallStatus
from server.rpc.streams import AHEAD_BYTES, StreamCall, StreamMethod
from server.rpc.unary import Answer, Answers, UnaryCall, UnaryMethod
from server.rpc.work import Call, work_for

_SHORT_BYTES = 6144  # about forty transactions, which take less than half a millisecond
_LONGEST_FRAME_BYTES = 1 << 17  # about a thousand, which take some milliseconds
TakeUp = Callable[[Any], Call | CallStatus]
"""Lets in a call that arrived, by grpcio's event, or gives what to end it with."""


class ByteMethods:
    """Methods of a server that are taken up without grpcio's help; complete before calls come.

    ready: calls that wait for the polling thread to work for them; hot: the methods that gRPC is asked for
    only while there is room, by full name.
    """

    def __init__(
        self,
        edge: Edge,
        caller: Callable[[Gate, Any], str],
        calls: Lane,
        frames: Lane,
        waits: Callable[[], bool],
    ) -> None:
        """Takes what names the caller of an event, and the threads for what is not done between events.

        waits: whether work may have to wait just now for something that is not this process's processor.
        """
        self.ready: deque[Call] = deque()
        self.hot: dict[str, tuple[Gate, TakeUp]] = {}
        self._edge, self._caller, self._waits = edge, caller, waits
        self._unary = edge.admission.unary
        self._calls, self._frames = calls, frames
        self._methods: dict[bytes, TakeUp] = {}
        self._streams: list[StreamMethod] = []

    def add_unary(self, name: str, answer: Answer, *, short: bool, answers: Answers | None = None) -> None:
        """Adds a method by its full name, with slashes.

        short: whether it takes well below a millisecond; answers: for calls that are ready at the same time.
        """
        gate, waits, ready, put = self._unary, self._waits, self.ready, self._calls.put

        def begin(call: UnaryCall) -> None:
            if short and not waits():
                ready.append(call)
            else:
                put(lambda: work_for([call], 0))

        method = UnaryMethod(answer, gate, self._edge.refusal, begin, answers)
        take_up = self._take_up(gate, lambda event, caller: UnaryCall(method, event, caller))
        if short:
            self.hot[name] = (gate, take_up)
        else:
            self._methods[name.encode()] = take_up

    def add_stream(self, name: str, answer: Answer, answers: Answers | None = None) -> None:
        """Adds a method of streams by its full name, with slashes.

        answers: for frames that are ready at the same time.
        """
        edge, waits, ready, put = self._edge, self._waits, self.ready, self._frames.put
        unary = self._unary

        def begin(call: StreamCall) -> None:
            # Longer ones only while nobody is there whom that would keep waiting. It is called from other
            # threads, too: what they have just sent wakes the polling thread up.
            most = _SHORT_BYTES if ready or unary.inside else _LONGEST_FRAME_BYTES
            if call.size <= most and not waits():
                ready.append(call)
            else:
                put(lambda: work_for([call], AHEAD_BYTES))

        gate = edge.admission.streams
        method = StreamMethod(
            answer, gate, edge.admission.frames, edge.lifetimes, edge.status, begin, answers
        )
        self._streams.append(method)
        take_up = self._take_up(gate, lambda event, caller: StreamCall(method, event, caller))
        self.hot[name] = (gate, take_up)

    def take_up(self, event: Any) -> Call | CallStatus | None:
        """Lets in a call that arrived or gives what to end it with; None for methods that are not here."""
        method = self._methods.get(event.call_details.method)
        return None if method is None else method(event)

    def work(self) -> None:
        """Works for the call that has been ready for longest, and for those behind it that may join it."""
        ready = self.ready
        calls = [ready.popleft()]
        method, size = calls[0].method, calls[0].size
        room = _SHORT_BYTES if self._unary.inside else AHEAD_BYTES
        while ready and ready[0].method is method and size + ready[0].size <= room:
            size += ready[0].size
            calls.append(ready.popleft())
        work_for(calls, room // len(calls))

    def end_streams(self) -> None:
        """Ends each stream after the frame that it is at."""
        for method in self._streams:
            for stream in list(method.open):
                stream.end(ShuttingDownError())

    def _take_up(self, gate: Gate, make: Callable[[Any, str], Call]) -> TakeUp:
        refusals, name_of = self._edge.refusal, self._caller

        def take_up(event: Any) -> Call | CallStatus:
            caller = name_of(gate, event)
            refusal = gate.enter(caller)
            return make(event, caller) if refusal is None else refusals(gate, refusal)

        return take_up
