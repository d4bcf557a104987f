"""Health as load balancers ask for it: whether a model is live, and the journal written.

Both are needed for SERVING, and that the server is not shutting down. This is a servicer of our own: that of
grpcio-health-checking sends to its watchers while it holds the lock that it also takes, on gRPC's polling
thread, when a watcher disconnects. A change of state at that moment blocked the whole server for good. Here
nothing is sent under a lock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
import structlog
from google.protobuf.message import DecodeError
from google.rpc import code_pb2, status_pb2
from grpc_health.v1 import health_pb2

from kuntur.wire import MalformedError
from server.rpc.admission.compression import OversizedMessageError, unpacked

_LOG = structlog.get_logger(__name__)
SCORING = ("", "kuntur.api.v1.ScoringService")
"""What serves while a model is live and the journal can be written."""
KEEPING = ("kuntur.api.v1.HistoryService", "kuntur.api.v1.OutcomeService")
"""What needs no model: it serves while the journal can be written."""
OTHERS = ("kuntur.api.v1.ModelService",)
"""What serves until the server shuts down."""
SERVICES = (*SCORING, *KEEPING, *OTHERS)
HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
MOST_WATCHERS = 1024
_NO_SUCH_SERVICE = "no such service"
LONGEST_REQUEST = 4096
_Response = health_pb2.HealthCheckResponse


@dataclass(eq=False, slots=True)
class _Watcher:
    """A caller that is told of changes: of which service, how, and what it was told last."""

    service: str
    send: Callable[[Any], None]
    told: int | None = None


class Health:
    """The state of the server as grpc.health.v1 tells it. Safe for threads."""

    def __init__(self) -> None:
        """Starts as NOT_SERVING."""
        self._status: int = _Response.NOT_SERVING
        self._final = False
        self._hindered: frozenset[str] = frozenset()
        self._watchers: set[_Watcher] = set()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def watching(self) -> grpc.RpcMethodHandler[Any, Any]:
        """Returns the handler of Watch."""

        def watch(
            request: Any, context: grpc.ServicerContext, send_response_callback: Callable[[Any], None]
        ) -> None:
            forget = self.watch(request.service, send_response_callback)
            if forget is None:
                context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many watch the health of this server")
            elif not context.add_callback(forget):
                forget()

        # grpcio calls such a method with a function to send with, and keeps no thread for the stream.
        watch.experimental_non_blocking = True  # type: ignore[attr-defined]
        return grpc.unary_stream_rpc_method_handler(
            watch,
            request_deserializer=_watched,
            response_serializer=health_pb2.HealthCheckResponse.SerializeToString,
        )

    def serving(self) -> None:
        """Reports SERVING, unless the server is shutting down."""
        self._set(_Response.SERVING)

    def hinder(self, cause: str, *, hindered: bool = True) -> None:
        """Adds or removes a cause for which services that need the journal are NOT_SERVING.

        They serve again when the last cause is gone.
        """
        with self._changed:
            if hindered != (cause in self._hindered):
                self._hindered = self._hindered ^ {cause}
                self._changed.notify()

    def going_down(self) -> None:
        """Reports NOT_SERVING for good."""
        self._set(_Response.NOT_SERVING, final=True)

    def close(self) -> None:
        """Stops telling watchers."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def check(self, raw: bytes) -> bytes | status_pb2.Status:
        """Answers a serialised HealthCheckRequest. Raises MalformedError."""
        try:
            request = health_pb2.HealthCheckRequest.FromString(raw)
        except DecodeError as error:
            raise MalformedError("the request is not a HealthCheckRequest") from error
        status = self.of(request.service)
        if status is None:
            return status_pb2.Status(code=code_pb2.NOT_FOUND, message=_NO_SUCH_SERVICE)
        return bytes(_Response(status=status).SerializeToString())

    def list_all(self, _: bytes) -> bytes:
        """Answers a serialised HealthListRequest."""
        statuses = {service: _Response(status=self.of(service)) for service in SERVICES}
        return bytes(health_pb2.HealthListResponse(statuses=statuses).SerializeToString())

    def of(self, service: str) -> int | None:
        """Returns the state of a service as the protocol numbers it, None for one that is not known."""
        if service not in SERVICES:
            return None
        if service in SCORING and self._status != _Response.SERVING:
            return self._status
        hindered = self._final or (self._hindered and service not in OTHERS)
        return int(_Response.NOT_SERVING if hindered else _Response.SERVING)

    def watch(self, service: str, send: Callable[[Any], None]) -> Callable[[], None] | None:
        """Tells a caller the state, now and at each change.

        Returns what forgets the caller, or None where there are too many.
        """
        watcher = _Watcher(service, send)
        with self._changed:
            if len(self._watchers) >= MOST_WATCHERS:
                return None
            self._watchers.add(watcher)
            if self._thread is None:
                self._thread = threading.Thread(target=self._tell, name="health", daemon=True)
                self._thread.start()
            self._changed.notify()

        def forget() -> None:
            with self._changed:
                self._watchers.discard(watcher)

        return forget

    def _set(self, status: int, *, final: bool = False) -> None:
        with self._changed:
            if not self._final:
                self._status, self._final = status, final
                self._changed.notify()

    def _tell(self) -> None:
        """Sends what is new, one watcher after the other: gRPC holds the sender until a message is out."""
        while True:
            with self._changed:
                while not (behind := self._behind()) and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return
            for watcher, status in behind:
                watcher.told = status
                try:
                    watcher.send(_Response(status=status))
                except Exception:
                    _LOG.exception("a watcher of the server's health could not be notified")

    def _behind(self) -> list[tuple[_Watcher, int]]:
        """Returns the watchers that were not told the present state, and that state."""
        states = {watcher: self.of(watcher.service) for watcher in self._watchers}
        known = {
            watcher: _Response.SERVICE_UNKNOWN if state is None else state
            for watcher, state in states.items()
        }
        return [(watcher, state) for watcher, state in known.items() if watcher.told != state]


def _watched(raw: bytes) -> Any:
    """Returns a serialised HealthCheckRequest as a message; None, which ends the call, for anything else."""
    try:
        return health_pb2.HealthCheckRequest.FromString(unpacked(raw, LONGEST_REQUEST))
    except (DecodeError, OversizedMessageError):
        return None
