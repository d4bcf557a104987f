"""The edge: gRPC in, gRPC out, nothing decided here."""

from server.rpc.server import RpcServer, Services

__all__ = ["RpcServer", "Services"]
