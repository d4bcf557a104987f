"""How a stream of `grpc.aio` really ended."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc

_FAILED_WRITE = "Internal error from Core"  # what grpc.aio says of a request that it could not write
_LONGEST_PAUSE_SECONDS = 0.5  # the pauses double up to it: a second in all
_FIRST_PAUSE_SECONDS = 0.001


class StreamEnd:
    """Keeps the status with which the server ended a stream.

    A request whose writing is cut short by the end of its stream makes grpc.aio report INTERNAL, in place of
    the status that the server has sent: before that status is read, or over it. The one is seen when the call
    is first done; the other replaces INTERNAL a moment later.
    """

    def __init__(self, call: grpc.aio.StreamStreamCall[Any, Any]) -> None:
        self._call = call
        self._first: grpc.aio.AioRpcError | None = None
        call.add_done_callback(self._keep)

    async def cause(self, error: grpc.RpcError) -> grpc.RpcError:
        """Returns what ended the stream, which is `error` unless that is only a request cut short."""
        if not isinstance(error, grpc.aio.AioRpcError) or error.details() != _FAILED_WRITE:
            return error
        if self._first is not None and self._first.details() != _FAILED_WRITE:
            return self._first
        pause = _FIRST_PAUSE_SECONDS
        while pause < _LONGEST_PAUSE_SECONDS and await self._call.details() == _FAILED_WRITE:
            await asyncio.sleep(pause)
            pause *= 2
        return await _status(self._call)

    def _keep(self, call: Any) -> None:
        """Reads the status at once, as the next one would replace it."""
        reading = _status(call)
        try:
            reading.send(None)
        except StopIteration as read:
            self._first = read.value
        else:
            reading.close()  # it would have to be waited for


async def _status(call: grpc.aio.StreamStreamCall[Any, Any]) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(
        await call.code(), await call.initial_metadata(), await call.trailing_metadata(), await call.details()
    )
