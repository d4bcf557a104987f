"""The plain transport as a whole: grpcio's server on a pool of threads.

Each call holds a thread from its arrival on, so a caller that sends nothing holds one until its time is up;
it takes no place in a gate, and the number of streams of a connection is bounded.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from server.errors import DeadlinePassedError, OverloadedError, ServerError
from server.rpc.admission.compression import TOO_LARGE, OversizedMessageError, is_packed
from server.rpc.admission.gates import Gate
from server.rpc.admission.unread import UnreadAnswers
from server.rpc.admission.waiting import Held
from server.rpc.calls.edge import Edge
from server.rpc.calls.lifetime import Lifetimes
from server.rpc.calls.transport import Answer, Answers, TransportSettings
from server.rpc.errors import CallStatus, abort
from server.rpc.plain.gated import gated
from server.rpc.plain.streams import PlainStreams, read_one

_THREADS = 1024  # made as they are needed; a call that waits for its caller holds one
_WORKING = 32  # calls that are worked on at a time: more would only wait for the interpreter
_LOOK_S = 0.1
_JOIN_S = 5.0


class _Answered:
    """A call whose answer is under way."""

    def __init__(self, context: grpc.ServicerContext) -> None:
        self._context = context

    def peer(self) -> object:
        return self._context.peer()

    def cut(self, _: ServerError) -> None:
        self._context.cancel()


class PlainTransport:
    """Serves on grpcio's public API. See `server.rpc.calls.transport.Transport` for the methods."""

    name = "plain"

    def __init__(self, edge: Edge, settings: TransportSettings) -> None:
        self._edge, self._settings = edge, settings
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="plain")
        self._server = grpc.server(self._pool, options=settings.options)
        self._entering = threading.Lock()
        self._working = threading.Semaphore(_WORKING)
        self._streams: list[PlainStreams] = []
        self._held = Held(settings.patience.held_bytes)
        self._requests = Lifetimes(settings.patience.caller_timeout_s)
        self._unread = UnreadAnswers(settings.patience.caller_timeout_s, settings.patience.unread_bytes)
        self._stopped = threading.Event()
        self._looking = threading.Thread(target=self._look, name="unread", daemon=True)
        edge.metrics.holds(lambda: self._held.bytes, lambda: self._unread.bytes)
        edge.lifetimes.cut = grpc.ServicerContext.cancel
        edge.metrics.transport(self.name)

    @property
    def alive(self) -> bool:
        """Always True: grpcio's own thread does not tell when it ends."""
        return True

    def responsive(self, _: float) -> bool:
        """Returns True: grpcio's own thread cannot be asked."""
        return True

    def add_unary(
        self,
        name: str,
        answer: Answer,
        *,
        short: bool = False,  # noqa: ARG002  # all calls have a thread here
        answers: Answers | None = None,  # noqa: ARG002
        gate: Gate | None = None,
    ) -> None:
        """Adds a unary method. To grpcio it is a stream of one request, so that its wait can be limited."""
        gate = gate or self._edge.admission.unary

        def behave(requests: Any, context: grpc.ServicerContext) -> bytes:
            self._requests.add(context, context.cancel)
            try:
                request = read_one(requests)
            finally:
                self._requests.remove(context)
            if request is None:
                context.abort(grpc.StatusCode.UNIMPLEMENTED, "one request is required")
            found = self._answered(gate, answer, request, context)
            if not isinstance(found, bytes):
                abort(context, found)
            under_way = _Answered(context)
            self._unread.add(under_way, len(found), timed=True)
            if not context.add_callback(lambda: self._unread.remove(under_way)):  # it is over already
                self._unread.remove(under_way)
            return found

        self._add(name, grpc.stream_unary_rpc_method_handler(behave))

    def add_stream(self, name: str, answer: Answer, answers: Answers | None = None) -> None:  # noqa: ARG002
        """Adds a method of streams."""
        patience = self._settings.patience
        streams = PlainStreams(
            self._edge, answer, self._settings.names, patience.stream_idle_s, self._held, self._unread
        )
        self._streams.append(streams)
        self._add(name, grpc.stream_stream_rpc_method_handler(streams.behave))

    def add_handlers(
        self, service: str, handlers: Mapping[str, grpc.RpcMethodHandler[Any, Any]], gate: Gate
    ) -> None:
        """Adds methods that grpcio handles, behind a gate."""
        for method, handler in handlers.items():
            behind = gated(handler, gate, self._edge, self._settings.names, self._entering)
            self._add(f"/{service}/{method}", behind)

    def bind(self, address: str) -> int:
        """Listens on an address; returns the port. Raises RuntimeError."""
        return self._server.add_insecure_port(address)

    def start(self) -> None:
        """Begins to serve."""
        self._requests.start()
        self._looking.start()
        self._server.start()

    def end_streams(self) -> None:
        """Ends each stream after its current frame."""
        for streams in self._streams:
            streams.end()

    def stop(self, grace_s: float | None) -> threading.Event:
        """Takes nothing new, cancels what is left after the grace; the event returned is set at the end."""
        return self._server.stop(grace_s)

    def shut_down(self) -> None:
        """Ends the threads; those that are still at work then end with the process."""
        self._requests.stop()
        self._stopped.set()
        if self._looking.is_alive():
            self._looking.join(_JOIN_S)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _answered(
        self, gate: Gate, answer: Answer, request: bytes, context: grpc.ServicerContext
    ) -> bytes | CallStatus:
        """Answers a request behind its gate."""
        with self._entering:
            caller = self._settings.names.of(context) if gate.counts_callers else ""
            refusal = gate.enter(caller)
        if refusal is not None:
            return self._edge.refusal(gate, refusal)
        came = time.monotonic()
        fits = self._held.add(len(request))
        try:
            if not fits:
                error = OverloadedError("bytes of requests", self._held.most)
                return self._edge.refusal(gate, error)
            packed = is_packed(request)
            turn = self._edge.admission.unpacking.turn if packed else contextlib.nullcontext()
            if not packed:  # compressed ones have a queue of their own, however long
                gate.queue.came()
            with turn, self._working:
                if not packed:
                    gate.queue.waited(time.monotonic() - came)
                remaining = context.time_remaining()
                if remaining is not None and remaining <= 0:
                    return self._edge.refusal(gate, DeadlinePassedError())
                try:
                    return answer(self._edge.admission.unpacking.message(request))
                except OversizedMessageError:
                    return TOO_LARGE
        finally:
            self._held.remove(len(request))
            gate.leave(caller)

    def _look(self) -> None:
        """Cuts off calls whose answers are not read, until the transport is shut down."""
        while not self._stopped.wait(_LOOK_S):
            self._unread.end()

    def _add(self, name: str, handler: grpc.RpcMethodHandler[Any, Any]) -> None:
        _, service, method = name.split("/")
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service, {method: handler}),)
        )
