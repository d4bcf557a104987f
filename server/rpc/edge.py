"""What every call has around it: a gate, a clock, and the table of errors."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc

from server.metrics import ServerMetrics
from server.rpc.admission import Admission, Gate
from server.rpc.errors import ErrorTable, abort, reason_of

UnaryHandler = Callable[[Any], Any]
StreamHandler = Callable[[Iterator[Any]], Iterator[Any]]
Behaviour = Callable[[Any, grpc.ServicerContext], Any]


class Edge:
    """Makes gRPC behaviours of handlers that know neither codes nor contexts."""

    def __init__(self, admission: Admission, table: ErrorTable, metrics: ServerMetrics) -> None:
        self.admission = admission
        self.table = table
        self.metrics = metrics

    def unary(self, handler: UnaryHandler, method: str) -> Behaviour:
        """Takes request to response: gated, timed under `method`, errors to statuses."""
        gate, clock, answered = self.admission.unary, time.perf_counter, self.metrics.answered

        def behave(request: Any, context: grpc.ServicerContext) -> Any:
            start = clock()
            try:
                with gate:
                    response = handler(request)
            except Exception as error:
                failure = error
            else:
                answered(method, clock() - start)
                return response
            return self._end(failure, context)

        return behave

    def control(self, handler: UnaryHandler) -> Behaviour:
        """Takes request to response on the control plane, which is never full."""

        def behave(request: Any, context: grpc.ServicerContext) -> Any:
            try:
                return handler(request)
            except Exception as error:
                failure = error
            return self._end(failure, context)

        return behave

    def stream_to_stream(self, handler: StreamHandler) -> Behaviour:
        """Takes requests to responses, gated as one stream."""
        gate = self.admission.streams

        def behave(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
            try:
                with gate:
                    yield from handler(requests)
            except grpc.RpcError:
                raise  # the caller went away; gRPC wants this very exception back, or it leaks the call
            except Exception as error:
                failure = error
            else:
                return
            self._end(failure, context)

        return behave

    def stream_to_unary(self, handler: Callable[[Iterator[Any]], Any]) -> Behaviour:
        """Takes requests to one response, gated as one stream."""
        gate = self.admission.streams

        def behave(requests: Iterator[Any], context: grpc.ServicerContext) -> Any:
            try:
                with gate:
                    return handler(requests)
            except grpc.RpcError:
                raise  # as above
            except Exception as error:
                failure = error
            return self._end(failure, context)

        return behave

    def frame(self) -> Gate:
        """Gives the gate that a stream passes with each frame. It raises once the server goes down."""
        return self.admission.frames

    def _end(self, error: Exception, context: grpc.ServicerContext) -> None:
        status = self.table.status(error)
        self.metrics.failed(reason_of(status))
        abort(context, status)
