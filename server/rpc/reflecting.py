"""Reflection, v1 and v1alpha: the same messages on the wire under two names."""

from __future__ import annotations

from typing import Any

import grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

from server.rpc.edge import Edge

NAMES = ("grpc.reflection.v1.ServerReflection", reflection.SERVICE_NAME)


def reflection_handlers(
    names: list[str], edge: Edge
) -> dict[str, dict[str, grpc.RpcMethodHandler[Any, Any]]]:
    """Returns the handlers of both services, which list the services of these names and themselves.

    grpcio-reflection has v1alpha alone; v1 differs from it in nothing but the name of its package.
    """
    servicer: Any = reflection.ReflectionServicer([*names, *NAMES])
    # Through the gate of streams: a caller that keeps reflection open must not take control's threads.
    behaviour = edge.stream_to_stream(lambda requests: servicer.ServerReflectionInfo(requests, None))
    handler: grpc.RpcMethodHandler[Any, Any] = grpc.stream_stream_rpc_method_handler(
        behaviour,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=lambda message: message.SerializeToString(),
    )
    return {name: {"ServerReflectionInfo": handler} for name in NAMES}
