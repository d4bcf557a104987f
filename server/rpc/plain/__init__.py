"""The plain transport: the same methods on grpcio as it comes, for a grpcio whose inside is not as tested."""

from server.rpc.plain.transport import PlainTransport

__all__ = ["PlainTransport"]
