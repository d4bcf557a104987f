"""Requests that callers compressed: decompressed by the server itself, and only when it is their turn.

gRPC would decompress each message as soon as it has come, so a caller that sends 8 kB for each 8 MiB would
fill the memory before anybody had looked at them. Here messages wait as they came, and only so many are
decompressed and worked on at a time.
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
        code=code_pb2.RESOURCE_EXHAUSTED, message="the message is larger, decompressed, than the server takes"
    )
)
"""What ends a call whose message is too large: without a reason, as gRPC ends those that are as they came."""


class OversizedMessageError(Exception):
    """A message is larger, decompressed, than may be."""


class Unpacking:
    """Decompresses messages. Safe for threads.

    turn: to be held while a message is decompressed and worked on.
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

        To be closed by whoever stops half-way, who has the turn until then.
        """
        for message in messages:
            if is_packed(message):
                with self.turn:
                    yield self.message(message)
            else:
                yield message


def is_packed(message: bytes) -> bool:
    """Returns whether a message is compressed.

    Told by its first byte, as gRPC does not tell: the one begins a field of a type that does not exist, the
    other a field 15, which no request has.
    """
    return message[:1] in _PACKED


def unpacked(message: bytes, most_bytes: int) -> bytes:
    """Returns a message decompressed, itself where it is not compressed.

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
