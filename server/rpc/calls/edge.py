"""What every call has around it: a clock, the table of errors, and for streams a lifetime.

Which gate a method stands behind is said where it is added (`server.rpc.server`); the transport has its
calls pass it before the handler runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from typing import Any, TypeVar

import grpc
from google.rpc import status_pb2

from server.errors import ServerError
from server.rpc.admission.compression import TOO_LARGE, OversizedMessageError
from server.rpc.admission.gates import Admission, Frames, Gate
from server.rpc.calls.lifetime import Lifetimes
from server.rpc.calls.transport import Answer, Answers
from server.rpc.errors import CallStatus, ErrorTable, abort, reason_of
from server.telemetry.metrics import ServerMetrics

UnaryHandler = Callable[[bytes], bytes]
GatheredHandler = Callable[[list[bytes]], Sequence[bytes | Exception] | None]
"""Returns the outcome of each of several requests; None, with nothing done, where they cannot go together."""
ControlHandler = Callable[[bytes], bytes | status_pb2.Status]
Behaviour = Callable[[Any, grpc.ServicerContext], Any]
StreamHandler = Callable[[Iterator[Any]], Iterator[Any]]
_Requests = TypeVar("_Requests")
_Outcome = TypeVar("_Outcome")


class Edge:
    """Turns handlers that know neither codes nor contexts into behaviours of gRPC."""

    def __init__(
        self, admission: Admission, table: ErrorTable, metrics: ServerMetrics, lifetimes: Lifetimes
    ) -> None:
        self.admission = admission
        self.table = table
        self.metrics = metrics
        self.lifetimes = lifetimes
        # The same few refusals recur, and mostly when there is no time to make them anew.
        self._refusals: dict[tuple[str, str], tuple[CallStatus, str]] = {}

    def unary(self, handler: UnaryHandler, method: str) -> Answer:
        """Returns a handler that is timed under `method` and turns errors into statuses."""
        clock, answered = time.perf_counter, self.metrics.answered

        def answer(request: bytes) -> bytes | CallStatus:
            start = clock()
            try:
                response = handler(request)
            except Exception as error:
                return self.status(error)
            answered(method, clock() - start)
            return response

        return answer

    def gathered(self, handler: GatheredHandler, method: str) -> Answers:
        """Returns the same for several requests at once; each is taken to last as long as all."""
        clock, answered = time.perf_counter, self.metrics.answered

        def answers(requests: list[bytes]) -> list[bytes | CallStatus] | None:
            start = clock()
            outcomes: Sequence[bytes | Exception] | None
            try:
                outcomes = handler(requests)
            except Exception as error:
                outcomes = [error] * len(requests)
            if outcomes is None:
                return None
            seconds = clock() - start
            given: list[bytes | CallStatus] = []
            for outcome in outcomes:
                if isinstance(outcome, bytes):
                    answered(method, seconds)
                    given.append(outcome)
                else:
                    given.append(self.status(outcome))
            return given

        return answers

    def framed(self, handler: Callable[[_Requests], _Outcome]) -> Callable[[_Requests], _Outcome]:
        """Makes a handler raise once the server is shutting down; until then the server waits for it."""
        frames = self.admission.frames

        def handle(requests: _Requests) -> _Outcome:
            with frames:
                return handler(requests)

        return handle

    def control(self, handler: ControlHandler) -> Answer:
        """Returns a handler of the control plane that turns errors into statuses."""

        def answer(request: bytes) -> bytes | CallStatus:
            try:
                response = handler(request)
            except Exception as error:
                return self.status(error)
            return response if isinstance(response, bytes) else CallStatus(response)

        return answer

    def stream_to_stream(self, handler: StreamHandler) -> Behaviour:
        """Returns the behaviour of a handler of streams, decompressed, for as long as a stream may last."""

        def behave(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
            try:
                with (
                    self.lifetimes.limited(requests, context) as limited,
                    self._unpacked(limited) as messages,
                ):
                    yield from handler(messages)
            except grpc.RpcError:
                raise  # the caller disconnected; gRPC needs this very exception back, or it leaks the call
            except Exception as error:
                status = self.status(error)  # and not the error, whose traceback holds the message
            else:
                return
            abort(context, status)

        return behave

    def stream_to_unary(self, handler: Callable[[Iterator[Any]], Any]) -> Behaviour:
        """Returns the same for a stream of requests with one response."""

        def behave(requests: Iterator[Any], context: grpc.ServicerContext) -> Any:
            try:
                with (
                    self.lifetimes.limited(requests, context) as limited,
                    self._unpacked(limited) as messages,
                ):
                    return handler(messages)
            except grpc.RpcError:
                raise  # as above
            except Exception as error:
                status = self.status(error)  # and not the error, whose traceback holds the message
            return abort(context, status)

        return behave

    def frame(self) -> Frames:
        """Returns the gate of frames, which raises once the server is shutting down."""
        return self.admission.frames

    def refusal(self, gate: Gate, error: ServerError) -> CallStatus:
        """Returns what to end a call at a gate with, and counts it."""
        key = (gate.resource, str(error))
        found = self._refusals.get(key)
        if found is None:
            status = self.table.status(error)
            found = self._refusals[key] = (CallStatus(status), reason_of(status))
        self.metrics.refused(gate.resource, found[1])
        return found[0]

    def _unpacked(self, messages: Iterator[bytes]) -> closing[Generator[bytes, None, None]]:
        """Returns messages decompressed, to be closed: a handler that fails at one would keep its turn."""
        return closing(self.admission.unpacking.each(messages))

    def status(self, error: Exception) -> CallStatus:
        """Returns what to end a call with, and counts it."""
        if isinstance(error, OversizedMessageError):
            return TOO_LARGE
        status = self.table.status(error)
        self.metrics.failed(reason_of(status))
        return CallStatus(status)
