"""gRPC's server with a polling loop of our own: admission, refusals and short work on one thread.

A call that is not let in is ended in one step by grpcio's own operations, without context, handler or
thread, which costs less than half of what it costs to end a call from its behaviour. A request that has
come, or a small frame, waits in a queue until nothing else is to be done: calls that arrive meanwhile are let
in or refused first. Everything else is left to grpcio.

What this uses of grpcio's inside is listed in `inside` and checked at start; the tests in
tests/integration/server/admission fail if its behaviour changes.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from types import MethodType
from typing import Any

import structlog
from grpc import _server as grpcio
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # compiled, without stubs

from server.rpc.calls.pulse import Pulse
from server.rpc.core.asking import Asking, begin
from server.rpc.core.methods import ByteMethods
from server.rpc.core.streams.call import StreamCall
from server.rpc.core.unary import UnaryCall
from server.rpc.errors import CallStatus

_LOG = structlog.get_logger(__name__)
_WAIT_S = 1.0
_SHORT_WAIT_S = 0.005  # while refusals wait for their turn
_AT_ONCE = 0.0  # a time long past
_MOST_EVENTS_BEFORE_WORK = 256
_MOST_AT_ONCE = 64  # calls of one of grpcio's methods that it is asked for ahead
Admit = Callable[[str, Any], CallStatus | None]
"""Takes a method's full name, with slashes, and grpcio's event; returns what to end the call with, if any.

A call that is let in goes to the pool before the next one is decided on.
"""


class _Owed(Counter[Any]):
    """The calls that gRPC was asked for, by tag: grpcio has a set here, since it asks for one at a time."""

    def add(self, tag: Any) -> None:
        self[tag] += 1

    def remove(self, tag: Any) -> None:
        self[tag] -= 1
        if not self[tag]:
            del self[tag]


class AdmittingServer(grpcio._Server):  # the class has no public name
    """A server that asks whether to let a call in before it takes it up."""

    def __init__(
        self,
        threads: Executor,
        admit: Admit,
        methods: ByteMethods,
        options: Sequence[tuple[str, Any]],
        on_failure: Callable[[], None],
    ) -> None:
        """Takes the methods that need no grpcio, and the threads and admission of all others.

        on_failure: told by the thread that takes up calls when it ends though the server does not.
        """
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
        self._on_failure = on_failure
        self._failure: BaseException | None = None
        self.pulse = Pulse()
        """Whether the thread that takes up calls still runs."""
        self._state.due = _Owed()  # type: ignore[assignment]  # as much of a set as grpcio uses

    @property
    def alive(self) -> bool:
        """Whether calls are taken up, or will be after the start."""
        return self._failure is None

    def start(self) -> None:
        """Begins to serve. Raises ValueError when called again."""
        state = self._state
        with state.lock:
            if state.stage is not grpcio._ServerStage.STOPPED:
                raise ValueError("the server has been started")
            admit, methods = self._loop
            asking = [Asking(state, name, take_up) for name, take_up in methods.hot.items()]
            state.server.start()
            state.stage = grpcio._ServerStage.STARTED
            for _ in range(_MOST_AT_ONCE):
                for method in state.registered_method_handlers:
                    grpcio._request_registered_call(state, method)
                grpcio._request_call(state)

        def serve() -> None:
            try:
                _serve(state, admit, methods, asking, self.pulse)
            except BaseException as error:
                self._failure = error
                _LOG.critical("the thread that takes up calls failed", exc_info=error)
                self._on_failure()

        threading.Thread(target=serve, name="polling", daemon=True).start()


def _serve(state: Any, admit: Admit, methods: ByteMethods, asking: Sequence[Asking], pulse: Pulse) -> None:
    """Does what grpcio's function of this name does, but admits each call first, and works for `methods`."""
    poll, go_on, now = state.completion_queue.poll, grpcio._process_event_and_continue, time.time
    arrived, registered = grpcio._REQUEST_CALL_TAG, state.registered_method_handlers
    timed_out = cygrpc.CompletionType.queue_timeout
    take_up, ready, refused = methods.take_up, methods.ready, methods.refused
    events = 0  # since the last work
    for hot in asking:
        hot.ask()
    while True:
        event = poll(_AT_ONCE if ready else now() + (_SHORT_WAIT_S if refused else _WAIT_S))
        pulse.turned = True
        if state.server_deallocated:
            grpcio._begin_shutdown_once(state)
        empty = event.completion_type == timed_out
        if not empty:
            events += 1
            tag = event.tag
            if type(tag) is MethodType:  # of what is not grpcio's: all that it would do
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
        if empty or events >= _MOST_EVENTS_BEFORE_WORK:
            if ready:
                try:
                    methods.work()
                except Exception:
                    _LOG.exception("work between the events of gRPC failed outside of its handler")
            methods.end_what_waits()
            events = 0
        event = tag = call = over = None  # a reference to a call that ended would keep the queue spinning


def _forget(state: Any, call: UnaryCall | StreamCall | Asking) -> bool:
    """Takes a finished call off the list; returns whether to go on polling."""
    with state.lock:
        state.rpc_states.remove(call)
        return not grpcio._stop_serving(state)


def _begin(state: Any, event: Any, call: UnaryCall | StreamCall | CallStatus) -> bool:
    """Begins a call, or ends it, and asks for the next of its kind; returns whether to go on polling."""
    with state.lock:
        state.due.remove(event.tag)
        begin(state, event.call, call)
        if state.stage is grpcio._ServerStage.STARTED:
            if event.tag in state.registered_method_handlers:
                grpcio._request_registered_call(state, event.tag)
            else:
                grpcio._request_call(state)
            return True
        return not grpcio._stop_serving(state)
