"""The baseline: a grpcio server on the same threads that sends a constant answer back, reading nothing.

Run as `python -m bench.measuring.echo SCORE_BYTES`; prints its port. Each answer of ScoreTransaction has so
many bytes; each answer of ScoreStream is the frame that came.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc

_THREADS = 136  # as many as the server's default


def main() -> None:
    """Serves until it is killed."""
    answer = b"\x0a" + bytes([int(sys.argv[1]) - 2]) + b"\x00" * (int(sys.argv[1]) - 2)

    def single(request: bytes, context: grpc.ServicerContext) -> bytes:
        del request, context
        return answer

    def stream(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        del context
        yield from requests

    handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
        "ScoreTransaction": grpc.unary_unary_rpc_method_handler(single),
        "ScoreStream": grpc.stream_stream_rpc_method_handler(stream),
    }
    server = grpc.server(ThreadPoolExecutor(_THREADS))
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("kuntur.api.v1.ScoringService", handlers),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    server.wait_for_termination()


if __name__ == "__main__":
    main()
