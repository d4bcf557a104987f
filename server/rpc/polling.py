"""gRPC's server with admission where calls arrive: on its polling thread, before anything is made for a call.

A call that is not let in is answered in one step by grpcio's own operations, without context, handler or
thread, which costs less than half of what it costs to end a call from its behaviour. At several times the
rate that a server can do this decides whether it still works or only refuses. All else is grpcio's.

Leans on the inside of grpcio, whose version is locked; tests/integration/server/test_admission.py fails if
that ever changes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any

import structlog
from grpc import _server as grpcio
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # compiled, without stubs

from server.rpc.errors import CallStatus

_LOG = structlog.get_logger(__name__)
_WAIT_S = 1.0
_NO_FLAGS = 0
Admit = Callable[[str, Any], CallStatus | None]
"""Takes a method's full name, with slashes, and grpcio's event; gives what to end the call with, if anything.

A call that is let in goes to the pool before the next one is asked about.
"""


class AdmittingServer(grpcio._Server):  # the class has no public name
    """A server that asks before it takes a call up."""

    def __init__(self, threads: Executor, admit: Admit, options: Sequence[tuple[str, Any]]) -> None:
        super().__init__(
            thread_pool=threads,  # type: ignore[arg-type]  # grpcio submits to it and asks for no more
            generic_handlers=(),
            interceptors=(),
            options=options,
            maximum_concurrent_rpcs=None,
            compression=None,
            xds=False,
        )
        self._admit = admit

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
        threading.Thread(target=_serve, args=(state, self._admit), name="polling", daemon=True).start()


def _serve(state: Any, admit: Admit) -> None:
    """Does what grpcio's function of this name does, and asks about each call first."""
    poll, go_on, now = state.completion_queue.poll, grpcio._process_event_and_continue, time.time
    arrived, registered = grpcio._REQUEST_CALL_TAG, state.registered_method_handlers
    timed_out = cygrpc.CompletionType.queue_timeout
    while True:
        event = poll(now() + _WAIT_S)
        if state.server_deallocated:
            grpcio._begin_shutdown_once(state)
        if event.completion_type == timed_out:
            continue
        tag = event.tag
        refusal = None
        if event.success and (tag is arrived or (type(tag) is str and tag in registered)):
            refusal = admit(event.call_details.method.decode() if tag is arrived else tag, event)
        if not (go_on(state, event) if refusal is None else _refuse(state, event, refusal)):
            return
        event = tag = None  # a reference to a call that ended would keep the queue spinning


def _refuse(state: Any, event: Any, status: CallStatus) -> bool:
    """Ends a call with a status in one step; tells whether to go on polling."""
    with state.lock:
        state.due.remove(event.tag)
        token = object()
        state.rpc_states.add(token)
        event.call.start_server_batch(
            (
                cygrpc.SendInitialMetadataOperation(None, _NO_FLAGS),
                cygrpc.ReceiveCloseOnServerOperation(_NO_FLAGS),
                cygrpc.SendStatusFromServerOperation(
                    status.trailing_metadata, status.code.value[0], status.raw_details, _NO_FLAGS
                ),
            ),
            lambda _: (token, ()),
        )
        if state.stage is grpcio._ServerStage.STARTED:
            if event.tag in state.registered_method_handlers:
                grpcio._request_registered_call(state, event.tag)
            else:
                grpcio._request_call(state)
            return True
        return not grpcio._stop_serving(state)
