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
# The table of headers of HPACK: how much one takes beside its text, all together, the place of the newest.
_ENTRY_BYTES, _TABLE_BYTES, _FIRST_KEPT = 32, 4_096, 62


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


def header_blocks(
    authority: str, method: str, *, tls: bool = False, authorization: str = ""
) -> tuple[bytes, bytes]:
    """Returns the headers of the first gRPC request of a connection and of each one after it, by HPACK.

    The first puts them into the connection's table, the others name their places there. Raises ValueError
    where they do not fit into the table that every server keeps.
    """
    # Places in the static table, 0 where the name has none, then name and value.
    kept = [(4, ":path", "/" + method), (1, ":authority", authority)]
    kept += [(31, "content-type", "application/grpc"), (0, "te", "trailers")]
    if authorization:
        kept.append((23, "authorization", authorization))
    size = sum(len(name) + len(value) + _ENTRY_BYTES for _, name, value in kept)
    if size > _TABLE_BYTES:
        raise ValueError(f"headers of {size} bytes, a table holds {_TABLE_BYTES}: give a shorter token")
    static = b"\x83" + (b"\x87" if tls else b"\x86")  # POST, and the scheme
    first = static + b"".join(
        bytes([0x40 | place]) + (b"" if place else _text(name)) + _text(value) for place, name, value in kept
    )
    return first, static + bytes(0x80 | _FIRST_KEPT + place for place in reversed(range(len(kept))))


def _text(value: str) -> bytes:
    """Returns a string of HPACK as it is, its length before it."""
    encoded = value.encode()
    size = len(encoded)
    if size < 127:
        return bytes([size]) + encoded
    length, size = bytearray([127]), size - 127
    while size > 127:
        length.append(size & 127 | 128)
        size >>= 7
    return bytes(length) + bytes([size]) + encoded
