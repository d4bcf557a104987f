"""A caller in HTTP/2 written by hand: it does what no client library would do to a server."""

from __future__ import annotations

import select
import socket
import struct
import time
from typing import Self

from bench.load.frames import (
    ACK,
    DATA,
    DEFAULT_WINDOW,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEAD_BYTES,
    HEADERS,
    INITIAL_WINDOW,
    MAX_STREAMS,
    PING,
    PREFACE,
    RESET,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
    header_block,
    settings,
)

_PATIENCE_S = 60.0
_LONGEST_DATA = 16_384


class HandwrittenCaller:
    """A connection over which calls are begun, their bodies sent as the server's windows allow.

    A context manager that closes the connection.
    """

    def __init__(self, address: str, *, window: int = DEFAULT_WINDOW, source: str = "127.0.0.1") -> None:
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
        self._windows = {0: DEFAULT_WINDOW}  # bytes that may be sent, of the connection and of each stream
        self._first_window = DEFAULT_WINDOW
        self._unsent: dict[int, tuple[bytes, bool]] = {}  # by stream, and whether that is all
        self._socket.sendall(PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HI", INITIAL_WINDOW, window)))

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
        headers = header_block(self._authority, method.removeprefix("/"), gzipped=gzipped)
        self._socket.sendall(frame(HEADERS, END_HEADERS, stream, headers))
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
                    self._socket.sendall(frame(DATA, END_STREAM * last, stream, body[sent : sent + size]))
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
        while len(self._read) >= HEAD_BYTES:
            size = HEAD_BYTES + int.from_bytes(self._read[:3], "big")
            if len(self._read) < size:
                return
            kind, flags, stream = struct.unpack_from(">BBI", self._read, 3)
            payload, self._read = self._read[HEAD_BYTES:size], self._read[size:]
            if kind == SETTINGS and not flags & ACK:
                self._settle(payload)
                self._answer(kind, b"")
            elif kind == PING and not flags & ACK:
                self._answer(kind, payload)
            elif kind == WINDOW_UPDATE:
                self._windows[stream] = self._windows.get(stream, 0) + int.from_bytes(payload, "big")
            elif kind == GOAWAY:
                self.closed = True
            elif kind == RESET or (kind == HEADERS and flags & END_STREAM):
                self.ended.add(stream)
                self._unsent.pop(stream, None)

    def _settle(self, payload: bytes) -> None:
        for name, value in settings(payload):
            if name == MAX_STREAMS:
                self.most_streams = value
            elif name == INITIAL_WINDOW:
                grown, self._first_window = value - self._first_window, value
                self._windows |= {stream: n + grown for stream, n in self._windows.items() if stream}

    def _answer(self, kind: int, payload: bytes) -> None:
        try:
            self._socket.sendall(frame(kind, ACK, 0, payload))
        except ConnectionError:
            self.closed = True
