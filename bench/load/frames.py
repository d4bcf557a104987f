"""Frames of HTTP/2 and the headers of a gRPC request, for callers that no client library lets be."""

from __future__ import annotations

import struct
from collections.abc import Iterator

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD_BYTES = 9  # before the payload of a frame
DEFAULT_WINDOW = 65_535
# Kinds of frames, their flags, and names of settings.
DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4
HEADER_TABLE_SIZE, MAX_STREAMS, INITIAL_WINDOW = 1, 3, 4


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Returns one frame of HTTP/2."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(payload: bytes) -> Iterator[tuple[int, int]]:
    """Yields name and value of each setting in a frame of settings."""
    for place in range(0, len(payload), 6):
        yield struct.unpack_from(">HI", payload, place)


def header_block(authority: str, method: str, *, gzipped: bool = False) -> bytes:
    """Returns the headers of a gRPC request by HPACK, as literals, so that no table is kept.

    gzipped: whether the request is said to be compressed.
    """

    def text(value: str) -> bytes:
        encoded = value.encode()
        if len(encoded) > 126:
            raise ValueError(f"longer than a length of one byte: {value}")
        return bytes([len(encoded)]) + encoded

    post, http = b"\x83", b"\x86"  # places in the static table, as are 4 (path), 1 (authority), 31
    encoding = b"\x00" + text("grpc-encoding") + text("gzip") if gzipped else b""
    return (
        post + http + b"\x04" + text("/" + method) + b"\x01" + text(authority)
        + b"\x0f\x10" + text("application/grpc") + b"\x00" + text("te") + text("trailers") + encoding
    )  # fmt: skip
