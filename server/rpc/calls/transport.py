"""What a transport is: the fast one on grpcio's inside and the plain one serve the same methods."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import grpc

from server.rpc.admission.callers import CallerNames
from server.rpc.admission.gates import Gate
from server.rpc.errors import CallStatus
from server.settings.limits import Limits

Answer = Callable[[bytes], bytes | CallStatus]
"""Returns the serialised response to a request, or what to end the call with. Never raises."""
Answers = Callable[[list[bytes]], list[bytes | CallStatus] | None]
"""Takes several requests at once to what `Answer` would return for each, one after the other. Never raises.

Returns None, and has done nothing, where they do not go together.
"""
_MIN_PING_INTERVAL_MS = 10_000  # well below the clients' 330 s: who pings more often is disconnected
_MOST_WAITING = 1024  # calls of a method that gRPC queues; up to twice as many, it ends some at random
_RESPONSE_BYTES = 64 << 20  # a frame of the most transactions, each with all its reasons, takes less


@dataclass(frozen=True, slots=True)
class Patience:
    """How long callers may keep the server waiting, and how much memory their requests may take."""

    caller_timeout_s: float
    """Time to send the rest of a request, or to read an answer."""
    stream_idle_s: float
    """Time after which an idle stream gives up its place when another needs it."""
    held_bytes: int
    """Of requests, as they came, in all."""
    unread_bytes: int
    """Of answers that have not left, in all."""


@dataclass(frozen=True, slots=True)
class TransportSettings:
    """What a transport is made with."""

    options: Sequence[tuple[str, Any]]
    """Those of gRPC."""
    control_threads: int
    names: CallerNames
    patience: Patience
    waits: Callable[[], bool]
    """Returns whether work may have to wait just now for something that is not this process's processor.

    If so a thread waits for it; else scores are worked out between the events of gRPC, which saves a call two
    changes of threads.
    """
    on_failure: Callable[[], None]
    """Called when the transport stops taking up calls though nobody ended it."""

    @classmethod
    def of(
        cls,
        limits: Limits,
        *,
        reuse_port: bool,
        waits: Callable[[], bool],
        on_failure: Callable[[], None],
    ) -> Self:
        """Returns those of a server with these limits; reuse_port: whether others listen on the port, too."""
        return cls(
            options=options_of(limits, reuse_port=reuse_port),
            control_threads=limits.control_threads,
            names=CallerNames(limits.caller_metadata_key),
            patience=Patience(
                limits.caller_timeout_s,
                limits.stream_idle_s,
                limits.max_held_bytes,
                limits.max_unread_bytes,
            ),
            waits=waits,
            on_failure=on_failure,
        )


class Transport(Protocol):
    """Serves methods over gRPC. All are added before the start."""

    name: str

    @property
    def alive(self) -> bool:
        """Whether calls are taken up, or will be after the start."""

    def responsive(self, timeout_s: float) -> bool:
        """Returns whether what takes up calls shows, within the time, that it still runs."""

    def add_unary(
        self,
        name: str,
        answer: Answer,
        *,
        short: bool = False,
        answers: Answers | None = None,
        gate: Gate | None = None,
    ) -> None:
        """Adds a unary method by its full name, with slashes.

        short: whether it takes well below a millisecond; answers: for calls that are ready at the same time;
        gate: that of unary calls, unless given.
        """

    def add_stream(self, name: str, answer: Answer, answers: Answers | None = None) -> None:
        """Adds a method of streams, each frame of which has one answer, by its full name, with slashes."""

    def add_handlers(
        self, service: str, handlers: Mapping[str, grpc.RpcMethodHandler[Any, Any]], gate: Gate
    ) -> None:
        """Adds methods of a service that are handled as grpcio does it, behind a gate."""

    def bind(self, address: str) -> int:
        """Listens on an address; returns the port. Raises RuntimeError."""

    def start(self) -> None:
        """Begins to serve."""

    def end_streams(self) -> None:
        """Ends each stream of `add_stream` after its current frame."""

    def stop(self, grace_s: float | None) -> threading.Event:
        """Takes nothing new, cancels what is left after the grace; the event returned is set at the end."""

    def shut_down(self) -> None:
        """Ends the threads, within a few seconds."""


def options_of(limits: Limits, *, reuse_port: bool) -> list[tuple[str, Any]]:
    """Returns gRPC's options of a server."""
    keepalive_ms = round(limits.keepalive_s * 1000)
    return [
        ("grpc.max_receive_message_length", limits.max_message_bytes),
        ("grpc.max_send_message_length", max(limits.max_message_bytes, _RESPONSE_BYTES)),
        # Requests come as they were sent; admission.compression bounds what is decompressed at a time.
        ("grpc.per_message_decompression", 0),
        ("grpc.max_concurrent_streams", limits.max_streams_per_connection),
        # By default gRPC counts what it has not yet freed, and refuses callers that keep to the bound.
        ("grpc.http.overload_protection", 0),
        ("grpc.max_allowed_incoming_connections", limits.max_connections),
        ("grpc.max_connection_age_ms", round(limits.max_connection_age_s * 1000)),
        ("grpc.max_connection_age_grace_ms", round((limits.max_stream_lifetime_s + 5) * 1000)),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", _MIN_PING_INTERVAL_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.keepalive_time_ms", keepalive_ms),
        ("grpc.keepalive_timeout_ms", keepalive_ms // 3),
        ("grpc.http2.ping_timeout_ms", keepalive_ms // 3),
        # The last resort, against floods: gRPC ends what is beyond by itself, as CANCELLED.
        ("grpc.server.max_pending_requests", _MOST_WAITING),
        ("grpc.server.max_pending_requests_hard_limit", 2 * _MOST_WAITING),
        # A second server on the port is a mistake, unless it is a second worker.
        ("grpc.so_reuseport", int(reuse_port)),
    ]
