"""Puts handlers of grpcio behind a gate."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import grpc

from server.rpc.admission.callers import CallerNames
from server.rpc.admission.gates import Gate
from server.rpc.calls.edge import Edge
from server.rpc.errors import abort

Enter = Callable[[grpc.ServicerContext], str]
"""Takes a place and returns the caller, or ends the call."""


def gated(
    handler: grpc.RpcMethodHandler[Any, Any], gate: Gate, edge: Edge, names: CallerNames, lock: threading.Lock
) -> grpc.RpcMethodHandler[Any, Any]:
    """Returns a handler that takes a place while it works; one that holds no thread takes none."""
    if handler.unary_stream is not None:
        return handler

    def enter(context: grpc.ServicerContext) -> str:
        with lock:
            caller = names.of(context) if gate.counts_callers else ""
            refusal = gate.enter(caller)
        if refusal is not None:
            abort(context, edge.refusal(gate, refusal))
        return caller

    codec = (handler.request_deserializer, handler.response_serializer)
    if handler.stream_unary is not None:
        return grpc.stream_unary_rpc_method_handler(_to_one(handler.stream_unary, enter, gate), *codec)
    return grpc.stream_stream_rpc_method_handler(_to_many(handler.stream_stream, enter, gate), *codec)


def _to_one(behaviour: Any, enter: Enter, gate: Gate) -> Callable[[Any, grpc.ServicerContext], Any]:
    def behave(requests: Any, context: grpc.ServicerContext) -> Any:
        caller = enter(context)
        try:
            return behaviour(requests, context)
        finally:
            gate.leave(caller)

    return behave


def _to_many(
    behaviour: Any, enter: Enter, gate: Gate
) -> Callable[[Any, grpc.ServicerContext], Iterator[Any]]:
    def behave(requests: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        caller = enter(context)
        try:
            yield from behaviour(requests, context)
        finally:
            gate.leave(caller)

    return behave
