"""The fast transport as a whole: methods taken up on the polling thread, all others by grpcio."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import grpc

from server.rpc.admission.gates import Gate
from server.rpc.calls.edge import Edge
from server.rpc.calls.transport import Answer, Answers, TransportSettings
from server.rpc.core.calls import CallThreads
from server.rpc.core.methods import ByteMethods
from server.rpc.core.polling import AdmittingServer


class FastTransport:
    """Serves on grpcio's own core. See `server.rpc.calls.transport.Transport` for the methods."""

    name = "fast"

    def __init__(self, edge: Edge, settings: TransportSettings) -> None:
        self._gates: dict[str, Gate] = {}
        admission = edge.admission
        self._threads = CallThreads(
            self._gates,
            admission.control,
            holding=(admission.streams, admission.watchers),
            control_threads=settings.control_threads,
            packed_threads=admission.unpacking.at_a_time,
            names=settings.names,
            refusals=edge.refusal,
            request_timeout_s=settings.patience.caller_timeout_s,
        )
        self._methods = ByteMethods(
            edge,
            self._threads.name,
            self._threads.lane,
            self._threads.frames,
            self._threads.packed,
            settings.waits,
            settings.patience,
        )
        self._server = AdmittingServer(
            self._threads, self._threads.admit, self._methods, settings.options, settings.on_failure
        )
        edge.lifetimes.cut = _cut

    @property
    def alive(self) -> bool:
        """Whether calls are taken up, or will be after the start."""
        return self._server.alive

    def responsive(self, timeout_s: float) -> bool:
        """Returns whether the thread that takes up calls shows, within the time, that it still runs."""
        return self._server.pulse.beats(timeout_s)

    def add_unary(
        self,
        name: str,
        answer: Answer,
        *,
        short: bool = False,
        answers: Answers | None = None,
        gate: Gate | None = None,
    ) -> None:
        """Adds a unary method."""
        self._methods.add_unary(name, answer, short=short, answers=answers, gate=gate)

    def add_stream(self, name: str, answer: Answer, answers: Answers | None = None) -> None:
        """Adds a method of streams."""
        self._methods.add_stream(name, answer, answers)

    def add_handlers(
        self, service: str, handlers: Mapping[str, grpc.RpcMethodHandler[Any, Any]], gate: Gate
    ) -> None:
        """Adds methods that grpcio handles, behind a gate."""
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service, dict(handlers)),)
        )
        self._gates |= {f"/{service}/{method}": gate for method in handlers}

    def bind(self, address: str) -> int:
        """Listens on an address; returns the port. Raises RuntimeError."""
        return self._server.add_insecure_port(address)

    def start(self) -> None:
        """Begins to serve."""
        self._threads.start()
        self._server.start()

    def end_streams(self) -> None:
        """Ends each stream after its current frame."""
        self._methods.end_streams()

    def stop(self, grace_s: float | None) -> threading.Event:
        """Takes nothing new, cancels what is left after the grace; the event returned is set at the end."""
        return self._server.stop(grace_s)

    def shut_down(self) -> None:
        """Ends the threads, within a few seconds."""
        self._threads.shutdown()


def _cut(context: grpc.ServicerContext) -> None:
    """Ends a call from outside its thread. `context.cancel` would tell the caller CANCELLED."""
    call: Any = context._rpc_event.call  # type: ignore[attr-defined]
    call.cancel(grpc.StatusCode.UNAVAILABLE.value[0], "the stream waited too long; open another")
