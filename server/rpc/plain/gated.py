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
    handler: grpc.RpcMethodHandler[Any, Any],
    method: str,
    gate: Gate,
    edge: Edge,
    names: CallerNames,
    lock: threading.Lock,
) -> grpc.RpcMethodHandler[Any, Any]:
    """Returns a handler that takes a place while it works, for callers who may call the method.

    method: its full name, with slashes. One that holds no thread takes no place.
    """
    if handler.unary_stream is not None:
        return grpc.unary_stream_rpc_method_handler(
            _watching(handler.unary_stream, lambda context: edge.admitted(gate, method, context)),
            handler.request_deserializer,
            handler.response_serializer,
        )

    def enter(context: grpc.ServicerContext) -> str:
        who = edge.admitted(gate, method, context)
        with lock:
            caller = gate.counted_as(who.identity, who.max_streams, lambda: names.of(context))
            refusal = gate.enter(caller, who.max_streams)
        if refusal is not None:
            abort(context, edge.refusal(gate, refusal))
        return caller

    codec = (handler.request_deserializer, handler.response_serializer)
    if handler.stream_unary is not None:
        return grpc.stream_unary_rpc_method_handler(_to_one(handler.stream_unary, enter, gate), *codec)
    return grpc.stream_stream_rpc_method_handler(_to_many(handler.stream_stream, enter, gate), *codec)


def _watching(behaviour: Any, admitted: Callable[[grpc.ServicerContext], object]) -> Any:
    """Returns a behaviour that grpcio gives a function to send with, for callers who may call it."""

    def behave(request: Any, context: grpc.ServicerContext, send: Any) -> None:
        admitted(context)
        behaviour(request, context, send)

    behave.experimental_non_blocking = True  # type: ignore[attr-defined]
    return behave


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
