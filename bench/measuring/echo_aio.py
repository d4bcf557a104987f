"""The baseline on grpc.aio: sends a constant answer back, reading nothing (see `bench.measuring.echo`).

Run as `python -m bench.measuring.echo_aio SCORE_BYTES`; prints its port.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import grpc


async def _serve(answer: bytes) -> None:
    async def single(request: bytes, context: Any) -> bytes:
        del request, context
        return answer

    async def stream(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        del context
        async for frame in requests:
            yield frame

    handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
        "ScoreTransaction": grpc.unary_unary_rpc_method_handler(single),
        "ScoreStream": grpc.stream_stream_rpc_method_handler(stream),
    }
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("kuntur.api.v1.ScoringService", handlers),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


def main() -> None:
    """Serves until it is killed."""
    size = int(sys.argv[1])
    asyncio.run(_serve(b"\x0a" + bytes([size - 2]) + b"\x00" * (size - 2)))


if __name__ == "__main__":
    main()
