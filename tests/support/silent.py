"""A caller that begins calls and sends no request, in HTTP/2 written by hand: no client library does that."""

from __future__ import annotations

import select
import socket
import struct
import time
from typing import Self

_PATIENCE_S = 60.0
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEADERS, _RESET, _SETTINGS, _PING = 1, 3, 4, 6
_END_STREAM = _ACK = 1
_END_HEADERS = 4
_FRAME_HEAD = 9


class SilentCaller:
    """A connection with so many calls of a method, of each the headers alone."""

    def __init__(self, address: str, method: str, count: int) -> None:
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)))
        self._ended: set[int] = set()
        self._read = b""
        headers = b"".join(
            b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value
            for name, value in (
                (b":method", b"POST"),
                (b":scheme", b"http"),
                (b":path", method.encode()),
                (b":authority", address.encode()),
                (b"te", b"trailers"),
                (b"content-type", b"application/grpc"),
            )
        )
        calls = [_frame(_HEADERS, _END_HEADERS, 2 * number + 1, headers) for number in range(count)]
        self._socket.sendall(_PREFACE + _frame(_SETTINGS, 0, 0, b"") + b"".join(calls))

    def ended(self, count: int) -> bool:
        """Waits until so many calls have been ended by the server; returns whether they were."""
        deadline = time.monotonic() + _PATIENCE_S
        while len(self._ended) < count and time.monotonic() < deadline:
            if select.select([self._socket], (), (), 0.1)[0]:
                data = self._socket.recv(65_536)
                if not data:
                    return False
                self._take(data)
        return len(self._ended) >= count

    def _take(self, data: bytes) -> None:
        self._read += data
        while len(self._read) >= _FRAME_HEAD:
            size = _FRAME_HEAD + int.from_bytes(self._read[:3], "big")
            if len(self._read) < size:
                return
            kind, flags, stream = struct.unpack_from(">BBI", self._read, 3)
            payload, self._read = self._read[_FRAME_HEAD:size], self._read[size:]
            if kind in (_SETTINGS, _PING) and not flags & _ACK:
                self._socket.sendall(_frame(kind, _ACK, 0, payload if kind == _PING else b""))
            elif kind == _RESET or (kind == _HEADERS and flags & _END_STREAM):
                self._ended.add(stream)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + struct.pack(">BBI", kind, flags, stream) + payload
