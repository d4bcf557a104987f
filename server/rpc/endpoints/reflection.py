"""Reflection, v1 and v1alpha: the same messages on the wire under two names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from grpc_reflection.v1alpha import reflection, reflection_pb2

from kuntur.wire import MalformedError
from server.rpc.calls.edge import Edge

NAMES = ("grpc.reflection.v1.ServerReflection", reflection.SERVICE_NAME)


def reflection_handlers(
    names: list[str], edge: Edge
) -> dict[str, dict[str, grpc.RpcMethodHandler[Any, Any]]]:
    """Returns the handlers of both services, which list the services of these names and themselves.

    grpcio-reflection has v1alpha alone; v1 differs from it only in the name of its package.
    """
    servicer: Any = reflection.ReflectionServicer([*names, *NAMES])

    def reflected(raws: Iterator[bytes]) -> Iterator[Any]:
        return servicer.ServerReflectionInfo(_parsed(raws), None)  # type: ignore[no-any-return]

    # Through the gate of streams: a caller that keeps reflection open must not take control's threads.
    def handler(name: str) -> grpc.RpcMethodHandler[Any, Any]:
        return grpc.stream_stream_rpc_method_handler(
            edge.stream_to_stream(reflected, f"/{name}/ServerReflectionInfo"),
            response_serializer=lambda message: message.SerializeToString(),
        )

    return {name: {"ServerReflectionInfo": handler(name)} for name in NAMES}


def _parsed(raws: Iterator[bytes]) -> Iterator[Any]:
    """Yields requests as messages. Raises MalformedError."""
    for raw in raws:
        try:
            yield reflection_pb2.ServerReflectionRequest.FromString(raw)
        except DecodeError as error:
            raise MalformedError("the request is not a ServerReflectionRequest") from error
