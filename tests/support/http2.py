"""A caller in HTTP/2 written by hand: it does what no client library would do to a server."""

from __future__ import annotations

import select
import socket
import struct
import time
from typing import Self

_PATIENCE_S = 60.0
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_END_STREAM = _ACK = 1
_END_HEADERS = 4
_MAX_STREAMS, _INITIAL_WINDOW = 3, 4
_DEFAULT_WINDOW = 65_535
_LONGEST_DATA = 16_384
_FRAME_HEAD = 9


class HandwrittenCaller:
    """A connection over which calls are begun, their bodies sent as the server's windows allow.

    A context manager that closes the connection.
    """

    def __init__(self, address: str, *, window: int = _DEFAULT_WINDOW, source: str = "127.0.0.1") -> None:
        """Connects. window: bytes of each answer that are read, at most; source: address to call from."""
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), source_address=(source, 0))
        self._authority = address
        self.ended: set[int] = set()
        """Streams that the server has ended."""
        self.most_streams: int | None = None
        """Streams that the server allows at a time, None until it has said so."""
        self.closed = False
        """Whether the server has closed the connection."""
        self._read = b""
        self._next = 1
        self._windows = {0: _DEFAULT_WINDOW}  # bytes that may be sent, of the connection and of each stream
        self._first_window = _DEFAULT_WINDOW
        self._unsent: dict[int, tuple[bytes, bool]] = {}  # by stream, and whether that is all
        self._socket.sendall(_PREFACE + _frame(_SETTINGS, 0, 0, struct.pack(">HI", _INITIAL_WINDOW, window)))

    def call(
        self,
        method: str,
        message: bytes = b"",
        *,
        body: bool = True,
        half_close: bool = True,
        gzipped: bool = False,
    ) -> int:
        """Begins a call; returns its stream.

        message: as it goes over the wire, so gzipped by whoever calls; body: whether any message follows.
        """
        stream, self._next = self._next, self._next + 2
        fields = [
            (b":method", b"POST"),
            (b":scheme", b"http"),
            (b":path", method.encode()),
            (b":authority", self._authority.encode()),
            (b"te", b"trailers"),
            (b"content-type", b"application/grpc"),
        ]
        if gzipped:
            fields.append((b"grpc-encoding", b"gzip"))
        headers = b"".join(
            b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value for name, value in fields
        )
        self._socket.sendall(_frame(_HEADERS, _END_HEADERS, stream, headers))
        self._windows[stream] = self._first_window
        if body:
            self._unsent[stream] = (struct.pack(">BI", gzipped, len(message)) + message, half_close)
            self.go_on(0.0)
        return stream

    def go_on(self, seconds: float) -> None:
        """Takes what the server sends, for a time, and sends what its windows allow."""
        deadline = time.monotonic() + seconds
        while not self.closed:
            self._send()
            left = max(0.0, deadline - time.monotonic())
            if not select.select([self._socket], (), (), min(left, 0.1))[0]:
                if not left:
                    return
                continue
            try:
                data = self._socket.recv(1 << 18)
            except ConnectionError:
                data = b""
            if not data:
                self.closed = True
            self._take(data)

    def wait_until_ended(self, count: int) -> bool:
        """Waits until the server has ended so many calls; returns whether it has."""
        deadline = time.monotonic() + _PATIENCE_S
        while len(self.ended) < count and not self.closed and time.monotonic() < deadline:
            self.go_on(0.05)
        return len(self.ended) >= count

    def wait_until_sent(self) -> bool:
        """Waits until every body has gone out; returns whether it has."""
        deadline = time.monotonic() + _PATIENCE_S
        while self._unsent and not self.closed and time.monotonic() < deadline:
            self.go_on(0.05)
        return not self._unsent

    def close(self) -> None:
        """Closes the connection."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(self) -> None:
        for stream, (body, half_close) in list(self._unsent.items()):
            sent = 0
            while (size := min(self._windows[0], self._windows[stream], _LONGEST_DATA, len(body) - sent)) > 0:
                last = half_close and sent + size == len(body)
                try:
                    self._socket.sendall(_frame(_DATA, _END_STREAM * last, stream, body[sent : sent + size]))
                except ConnectionError:
                    self.closed = True
                    return
                sent += size
                self._windows[0] -= size
                self._windows[stream] -= size
            if sent < len(body):
                self._unsent[stream] = (body[sent:], half_close)
            else:
                del self._unsent[stream]

    def _take(self, data: bytes) -> None:
        self._read += data
        while len(self._read) >= _FRAME_HEAD:
            size = _FRAME_HEAD + int.from_bytes(self._read[:3], "big")
            if len(self._read) < size:
                return
            kind, flags, stream = struct.unpack_from(">BBI", self._read, 3)
            payload, self._read = self._read[_FRAME_HEAD:size], self._read[size:]
            if kind == _SETTINGS and not flags & _ACK:
                self._settle(payload)
                self._answer(kind, b"")
            elif kind == _PING and not flags & _ACK:
                self._answer(kind, payload)
            elif kind == _WINDOW_UPDATE:
                self._windows[stream] = self._windows.get(stream, 0) + int.from_bytes(payload, "big")
            elif kind == _GOAWAY:
                self.closed = True
            elif kind == _RESET or (kind == _HEADERS and flags & _END_STREAM):
                self.ended.add(stream)
                self._unsent.pop(stream, None)

    def _settle(self, payload: bytes) -> None:
        for place in range(0, len(payload), 6):
            name, value = struct.unpack_from(">HI", payload, place)
            if name == _MAX_STREAMS:
                self.most_streams = value
            elif name == _INITIAL_WINDOW:
                grown, self._first_window = value - self._first_window, value
                self._windows |= {stream: n + grown for stream, n in self._windows.items() if stream}

    def _answer(self, kind: int, payload: bytes) -> None:
        try:
            self._socket.sendall(_frame(kind, _ACK, 0, payload))
        except ConnectionError:
            self.closed = True


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + struct.pack(">BBI", kind, flags, stream) + payload
