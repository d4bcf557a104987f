"""Asking gRPC for the calls of a method: only for as many as there is room for.

What gRPC is not asked for waits in its queue of the method, or is ended by it when that is full. Other
methods have a queue of their own, so health and control calls are answered however much of this one comes.
"""

from __future__ import annotations

from typing import Any

from grpc import _server as grpcio

from server.rpc.admission import Gate
from server.rpc.bound import REFUSALS_AT_ONCE
from server.rpc.errors import CallStatus
from server.rpc.methods import TakeUp
from server.rpc.streams import StreamCall
from server.rpc.unary import UnaryCall, refusal_operations


class Asking:
    """Takes up the calls of one method. For gRPC's polling thread.

    While gRPC owes it calls it is on grpcio's list, as a call is, so that grpcio's end waits for it.
    """

    def __init__(self, state: Any, method: str, gate: Gate, take_up: TakeUp) -> None:
        """Takes grpcio's state of a server not started yet, and a method's full name, with slashes."""
        state.server.register_method(method)
        self._state = state
        self._method = method
        self._gate = gate
        self._take_up = take_up
        self._tag = self._arrived
        self._most = gate.limit + REFUSALS_AT_ONCE
        self._asked = 0

    @property
    def closed(self) -> bool:
        """Whether no call can come, since none was asked for."""
        return not self._asked

    def ask(self) -> None:
        """Asks for as many more as there is room for."""
        if self._asked == self._most:
            return
        more = self._gate.wanted - self._asked
        if more <= 0:
            return
        state, tag = self._state, self._tag
        with state.lock:
            if state.stage is not grpcio._ServerStage.STARTED:
                return
            if not self._asked:
                state.rpc_states.add(self)
            self._asked += more
            request, queue = state.server.request_registered_call, state.completion_queue
            for _ in range(more):
                request(queue, queue, self._method, tag)

    def _arrived(self, event: Any) -> tuple[Asking | None, tuple[()]]:
        """Takes a call up; gives itself where nothing is owed any more, to be taken off grpcio's list."""
        self._asked -= 1
        if event.success:  # otherwise the server goes down
            begin(self._state, event.call, self._take_up(event))
            self.ask()
        return (None if self._asked else self), ()


def begin(state: Any, rpc: Any, call: UnaryCall | StreamCall | CallStatus) -> None:
    """Has a call begin that was taken up, or ends gRPC's call with a status in one step."""
    with state.lock:
        if not isinstance(call, CallStatus):
            state.rpc_states.add(call)
            call.receive()
        else:
            token = object()
            state.rpc_states.add(token)
            rpc.start_server_batch(refusal_operations(call), lambda _: (token, ()))
