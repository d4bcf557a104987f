"""The plain transport: the same methods on grpcio's public API, where its inside is not as tested."""

from server.rpc.plain.transport import PlainTransport

__all__ = ["PlainTransport"]
