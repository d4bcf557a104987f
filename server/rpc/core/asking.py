"""Asks gRPC for the calls of a method.

What gRPC is not asked for waits in its queue of the method. Other methods have a queue of their own, so
health and control calls are answered however many calls of this one come.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from grpc import _server as grpcio

from server.rpc.core.streams.call import StreamCall
from server.rpc.core.unary import UnaryCall, refusal_operations
from server.rpc.errors import CallStatus

_ASKED = 64  # calls of a method that gRPC is asked for at a time
TakeUp = Callable[[Any], UnaryCall | StreamCall]
"""Makes a call of grpcio's event of one that arrived."""


class Asking:
    """Takes up the calls of one method. For gRPC's polling thread.

    While gRPC owes it calls it is on grpcio's list, as a call is, so that grpcio waits for it when it ends.
    """

    def __init__(self, state: Any, method: str, take_up: TakeUp) -> None:
        """Takes grpcio's state of a server not started yet, and a method's full name, with slashes."""
        state.server.register_method(method)
        self._state = state
        self._method = method
        self._take_up = take_up
        self._tag = self._arrived
        self._asked = 0

    def ask(self) -> None:
        """Asks for more once half of what was asked for has come."""
        if self._asked > _ASKED // 2:
            return
        state, tag = self._state, self._tag
        with state.lock:
            if state.stage is not grpcio._ServerStage.STARTED:
                return
            if not self._asked:
                state.rpc_states.add(self)
            request, queue = state.server.request_registered_call, state.completion_queue
            for _ in range(_ASKED - self._asked):
                request(queue, queue, self._method, tag)
            self._asked = _ASKED

    def _arrived(self, event: Any) -> tuple[Asking | None, tuple[()]]:
        """Takes a call up; returns itself once nothing is owed any more, to be taken off grpcio's list."""
        self._asked -= 1
        if event.success:  # otherwise the server is shutting down
            begin(self._state, event.call, self._take_up(event))
            self.ask()
        return (None if self._asked else self), ()


def begin(state: Any, rpc: Any, call: UnaryCall | StreamCall | CallStatus) -> None:
    """Begins a call that was taken up, or ends gRPC's call with a status in one step."""
    with state.lock:
        if not isinstance(call, CallStatus):
            state.rpc_states.add(call)
            call.receive()
        else:
            token = object()
            state.rpc_states.add(token)
            rpc.start_server_batch(refusal_operations(call), lambda _: (token, ()))
