"""gRPC's server with a polling loop of our own: admission, refusals and short work on one thread.

A call that is not let in is answered in one step by grpcio's own operations, without context, handler or
thread, which costs less than half of what it costs to end a call from its behaviour. A request that has
come, or a small frame, waits in a row until nothing else is to be done: whoever arrives meanwhile is let in
or refused first, so a refusal waits for one piece of work and no more. All else is grpcio's.

Leans on the inside of grpcio, whose version is locked; tests/integration/server/test_admission.py and
test_unary.py fail if that ever changes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from types import MethodType
from typing import Any

import structlog
from grpc import _server as grpcio
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # compiled, without stubs

from server.rpc.errors import CallStatus
from server.rpc.methods import ByteMethods
from server.rpc.streams import StreamCall
from server.rpc.unary import UnaryCall, refusal_operations

_LOG = structlog.get_logger(__name__)
_WAIT_S = 1.0
_AT_ONCE = 0.0  # a time long past
_MOST_EVENTS_BEFORE_WORK = 512
Admit = Callable[[str, Any], CallStatus | None]
"""Takes a method's full name, with slashes, and grpcio's event; gives what to end the call with, if anything.

A call that is let in goes to the pool before the next one is asked about.
"""


class AdmittingServer(grpcio._Server):  # the class has no public name
    """A server that asks before it takes a call up."""

    def __init__(
        self,
        threads: Executor,
        admit: Admit,
        methods: ByteMethods,
        options: Sequence[tuple[str, Any]],
    ) -> None:
        """Takes the methods that need no grpcio, and the threads and admission of all others."""
        super().__init__(
            thread_pool=threads,  # type: ignore[arg-type]  # grpcio submits to it and asks for no more
            generic_handlers=(),
            interceptors=(),
            options=options,
            maximum_concurrent_rpcs=None,
            compression=None,
            xds=False,
        )
        self._loop = (admit, methods)

    def start(self) -> None:
        """Begins to serve. Raises ValueError when that was done before."""
        state = self._state
        with state.lock:
            if state.stage is not grpcio._ServerStage.STOPPED:
                raise ValueError("the server has been started")
            state.server.start()
            state.stage = grpcio._ServerStage.STARTED
            for method in state.registered_method_handlers:
                grpcio._request_registered_call(state, method)
            grpcio._request_call(state)
        threading.Thread(target=_serve, args=(state, *self._loop), name="polling", daemon=True).start()


def _serve(state: Any, admit: Admit, methods: ByteMethods) -> None:
    """Does what grpcio's function of this name does, asks about each call first, and works for `methods`."""
    poll, go_on, now = state.completion_queue.poll, grpcio._process_event_and_continue, time.time
    arrived, registered = grpcio._REQUEST_CALL_TAG, state.registered_method_handlers
    timed_out, take_up, ready = cygrpc.CompletionType.queue_timeout, methods.take_up, methods.ready
    events = 0  # since the last work
    while True:
        event = poll(_AT_ONCE if ready else now() + _WAIT_S)
        if state.server_deallocated:
            grpcio._begin_shutdown_once(state)
        if event.completion_type != timed_out:
            events += 1
            tag = event.tag
            if type(tag) is MethodType:  # of a call or stream here; all that grpcio would do for it
                over, _ = tag(event)
                went_on = over is None or _forget(state, over)
            elif not event.success or not (tag is arrived or (type(tag) is str and tag in registered)):
                went_on = go_on(state, event)
            elif tag is arrived and (call := take_up(event)) is not None:
                went_on = _begin(state, event, call)
            else:
                refusal = admit(event.call_details.method.decode() if tag is arrived else tag, event)
                went_on = go_on(state, event) if refusal is None else _begin(state, event, refusal)
            if not went_on:
                return
            empty = False
        else:
            empty = True
        event = tag = call = over = None  # a reference to a call that ended would keep the queue spinning
        if ready and (empty or events >= _MOST_EVENTS_BEFORE_WORK):
            try:
                methods.work()
            except Exception:
                _LOG.exception("work between the events of gRPC failed outside of its handler")
            events = 0


def _forget(state: Any, call: UnaryCall | StreamCall) -> bool:
    """Takes a call that is over off the list; tells whether to go on polling."""
    with state.lock:
        state.rpc_states.remove(call)
        return not grpcio._stop_serving(state)


def _begin(state: Any, event: Any, call: UnaryCall | StreamCall | CallStatus) -> bool:
    """Begins a call, or ends a call with a status in one step; tells whether to go on polling."""
    with state.lock:
        state.due.remove(event.tag)
        if not isinstance(call, CallStatus):
            state.rpc_states.add(call)
            call.receive()
        else:
            token = object()
            state.rpc_states.add(token)
            event.call.start_server_batch(refusal_operations(call), lambda _: (token, ()))
        if state.stage is grpcio._ServerStage.STARTED:
            if event.tag in state.registered_method_handlers:
                grpcio._request_registered_call(state, event.tag)
            else:
                grpcio._request_call(state)
            return True
        return not grpcio._stop_serving(state)
