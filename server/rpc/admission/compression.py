"""Requests that callers compressed: decompressed by the server itself, and only when it is their turn.

gRPC would decompress each message as soon as it arrives, so a caller that sends 8 kB for each 8 MiB would
fill the memory before anything had been checked. Here messages wait compressed, and only a few at a time are
decompressed and worked on.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Generator, Iterator

from google.rpc import code_pb2, status_pb2

from server.rpc.errors import CallStatus

_PACKED = frozenset({b"\x1f", b"\x78"})  # how gzip and zlib begin, the latter being gRPC's deflate
_EITHER = zlib.MAX_WBITS | 32
TOO_LARGE = CallStatus(
    status_pb2.Status(
        code=code_pb2.RESOURCE_EXHAUSTED,
        message="the message is larger, once decompressed, than the server takes",
    )
)
"""Ends a call whose message is too large: without a reason, as gRPC ends those that came uncompressed."""


class OversizedMessageError(Exception):
    """A message is larger, once decompressed, than is allowed."""


class Unpacking:
    """Decompresses messages. Safe for threads.

    turn: is held while a message is decompressed and worked on.
    """

    def __init__(self, most_bytes: int, at_a_time: int) -> None:
        """Takes the largest size of a message, and how many may be decompressed at a time."""
        self.turn = threading.BoundedSemaphore(at_a_time)
        self.at_a_time = at_a_time
        self._most_bytes = most_bytes

    def message(self, message: bytes) -> bytes:
        """Returns a message decompressed. Raises OversizedMessageError."""
        return unpacked(message, self._most_bytes)

    def each(self, messages: Iterator[bytes]) -> Generator[bytes, None, None]:
        """Yields messages decompressed, each with a turn of its own. Raises OversizedMessageError.

        A caller that stops half-way holds the turn until it closes the generator.
        """
        for message in messages:
            if is_packed(message):
                with self.turn:
                    yield self.message(message)
            else:
                yield message


def is_packed(message: bytes) -> bool:
    """Returns whether a message is compressed.

    The first byte tells, since gRPC does not: gzip's begins a field of a wire type that does not exist,
    zlib's a field 15, which no request has.
    """
    return message[:1] in _PACKED


def unpacked(message: bytes, most_bytes: int) -> bytes:
    """Returns a message decompressed, or as it is if it is not compressed.

    One that is damaged is returned as it is, for its reader to refuse. Raises OversizedMessageError.
    """
    if not is_packed(message):
        return message
    work = zlib.decompressobj(_EITHER)
    try:
        plain = work.decompress(message, most_bytes)
        if not work.eof and work.decompress(work.unconsumed_tail, 1):
            raise OversizedMessageError
    except zlib.error:
        return message
    return plain if work.eof and not work.unused_data else message
