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
from server.rpc.streams import StreamCall, StreamMethod
from server.rpc.unary import Answer, Answers, UnaryCall, UnaryMethod

_SHORT_FRAME_BYTES = 4096  # about thirty transactions, which take well below a millisecond
_LONGEST_FRAME_BYTES = 1 << 17  # about a thousand, which take some milliseconds
_MOST_TOGETHER = 32  # so that whoever arrives waits for less than half a millisecond
_Call = UnaryCall | StreamCall


class ByteMethods:
    """Methods of a server that are taken up without grpcio's help; complete before calls come.

    ready: calls that wait for the polling thread to work for them.
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
        self.ready: deque[_Call] = deque()
        self._edge, self._caller, self._waits = edge, caller, waits
        self._calls, self._frames = calls, frames
        self._methods: dict[bytes, Callable[[Any], _Call | CallStatus]] = {}
        self._streams: list[StreamMethod] = []

    def add_unary(self, name: str, answer: Answer, *, short: bool, answers: Answers | None = None) -> None:
        """Adds a method by its full name, with slashes.

        short: whether it takes well below a millisecond; answers: for calls that are ready at the same time.
        """
        gate, waits, ready, put = self._edge.admission.unary, self._waits, self.ready, self._calls.put

        def begin(call: UnaryCall) -> None:
            if short and not waits():
                ready.append(call)
            else:
                put(call.work)

        method = UnaryMethod(answer, gate, self._edge.refusal, begin, answers)
        self._add(name, gate, lambda event, caller: UnaryCall(method, event, caller))

    def add_stream(self, name: str, answer: Answer) -> None:
        """Adds a method of streams by its full name, with slashes."""
        edge, waits, ready, put = self._edge, self._waits, self.ready, self._frames.put
        unary = edge.admission.unary

        def begin(call: StreamCall, size: int) -> None:
            # Longer ones only while nobody is there whom that would keep waiting. It is called from other
            # threads, too: what they have just sent wakes the polling thread up.
            alone = not ready and not unary.inside
            if size <= (_LONGEST_FRAME_BYTES if alone else _SHORT_FRAME_BYTES) and not waits():
                ready.append(call)
            else:
                put(call.work)

        gate = edge.admission.streams
        method = StreamMethod(answer, gate, edge.admission.frames, edge.lifetimes, edge.status, begin)
        self._streams.append(method)
        self._add(name, gate, lambda event, caller: StreamCall(method, event, caller))

    def take_up(self, event: Any) -> _Call | CallStatus | None:
        """Lets in a call that arrived or gives what to end it with; None for methods that are not here."""
        method = self._methods.get(event.call_details.method)
        return None if method is None else method(event)

    def work(self) -> None:
        """Works for the call that has been ready for longest, and for those behind it that may join it."""
        ready = self.ready
        call = ready.popleft()
        if not ready or not isinstance(call, UnaryCall) or call.method.answers is None:
            call.work()
            return
        calls = [call]
        while ready and len(calls) < _MOST_TOGETHER:
            following = ready[0]
            if not isinstance(following, UnaryCall) or following.method is not call.method:
                break
            calls.append(following)
            ready.popleft()
        UnaryCall.work_together(call.method.answers, calls)

    def end_streams(self) -> None:
        """Ends each stream after the frame that it is at."""
        for method in self._streams:
            for stream in list(method.open):
                stream.end(ShuttingDownError())

    def _add(self, name: str, gate: Gate, make: Callable[[Any, str], _Call]) -> None:
        refusals, name_of = self._edge.refusal, self._caller

        def take_up(event: Any) -> _Call | CallStatus:
            caller = name_of(gate, event)
            refusal = gate.enter(caller)
            return make(event, caller) if refusal is None else refusals(gate, refusal)

        self._methods[name.encode()] = take_up
