"""As much of HTTP/2 and gRPC as a load generator needs: small requests out, the ends of responses in.

Frames are built once and only numbered anew, so a request costs a few microseconds. Responses are not
decoded: one that carried a message succeeded, one of trailers alone was refused or failed. When to send
stands in `bench.load.openloop`.
"""

from __future__ import annotations

import socket
import struct

from bench.load.frames import (
    ACK,
    DATA,
    DEFAULT_WINDOW,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADER_TABLE_SIZE,
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

_WINDOW = 2**30


class ConnectionEndedError(Exception):
    """The server ended the connection."""


class Connection:
    """One connection over which requests go out and the ends of responses come in; never blocks."""

    def __init__(self, address: str, method: str, source: str = "") -> None:
        """Connects, from the address `source` if given, and takes up the server's settings.

        Raises OSError.
        """
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=10, source_address=(source, 0))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._headers = header_block(address, method)
        self._in, self._out = bytearray(), bytearray()
        self._next, self._window, self._most, self._answered = 1, DEFAULT_WINDOW, 2**31, set[int]()
        self.in_flight = 0
        wanted = struct.pack(">HIHI", HEADER_TABLE_SIZE, 0, INITIAL_WINDOW, _WINDOW)
        self._out += PREFACE + frame(SETTINGS, 0, 0, wanted)
        self._out += frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", _WINDOW))
        self._socket.setblocking(False)
        self.flush()

    def fileno(self) -> int:
        """Returns the socket's descriptor, for `select`."""
        return self._socket.fileno()

    def takes(self, size: int) -> bool:
        """Tells whether a body of so many bytes may be sent now: window, streams and socket have room."""
        return size <= self._window and self.in_flight < self._most and not self._out

    def send(self, body: bytes) -> int:
        """Sends a request and gives the number of its stream; what the socket does not take goes later."""
        stream, self._next = self._next, self._next + 2
        self._window -= len(body)
        self.in_flight += 1
        self._out += frame(HEADERS, END_HEADERS, stream, self._headers)
        self._out += frame(DATA, END_STREAM, stream, body)
        self.flush()
        return stream

    def flush(self) -> None:
        """Returns the socket what it takes."""
        try:
            while self._out:
                del self._out[: self._socket.send(self._out)]
        except BlockingIOError:
            return

    def receive(self) -> list[tuple[int, bool]]:
        """Returns the streams that ended since, each with whether it carried a message.

        Raises ConnectionEndedError.
        """
        try:
            came = self._socket.recv(1 << 18)
        except BlockingIOError:
            return []
        if not came:
            raise ConnectionEndedError("the server closed the connection")
        self._in += came
        ended: list[tuple[int, bool]] = []
        place, waiting = 0, self._in
        while len(waiting) - place >= 9:
            size = int.from_bytes(waiting[place : place + 3], "big")
            if len(waiting) - place - 9 < size:
                break
            kind, flags = waiting[place + 3], waiting[place + 4]
            stream = int.from_bytes(waiting[place + 5 : place + 9], "big")
            self._take(kind, flags, stream, bytes(waiting[place + 9 : place + 9 + size]), ended)
            place += 9 + size
        del waiting[:place]
        self.flush()
        return ended

    def close(self) -> None:
        """Closes the connection."""
        self._socket.close()

    def _take(
        self, kind: int, flags: int, stream: int, payload: bytes, ended: list[tuple[int, bool]]
    ) -> None:
        if kind == DATA:
            self._answered.add(stream)
        elif kind == SETTINGS and not flags & ACK:
            for name, value in settings(payload):
                if name == MAX_STREAMS:
                    self._most = value
            self._out += frame(SETTINGS, ACK, 0, b"")
        elif kind == PING and not flags & ACK:
            self._out += frame(PING, ACK, 0, payload)
        elif kind == WINDOW_UPDATE and stream == 0:
            self._window += int.from_bytes(payload, "big")
        elif kind == GOAWAY:
            raise ConnectionEndedError(f"the server sent GOAWAY: {payload[8:]!r}")
        if kind == RESET or (kind in {DATA, HEADERS} and flags & END_STREAM):
            if kind == RESET and stream not in self._answered and payload == b"\x00" * 4:
                return  # a reset without error behind a whole answer
            self.in_flight -= 1
            ended.append((stream, stream in self._answered))
            self._answered.discard(stream)
