"""As much of HTTP/2 and gRPC as a load generator needs: small requests out, the ends of responses in.

Frames are built once and only numbered anew, so a request costs a few microseconds. Responses are not
decoded: one that carried a message succeeded, one of trailers alone was refused or failed. When to send
stands in `bench.load.openloop`.
"""

from __future__ import annotations

import socket
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, _RESET, SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _ACK, _END_HEADERS = 1, 1, 4
_HEADER_TABLE_SIZE, _MAX_STREAMS, INITIAL_WINDOW = 1, 3, 4
_WINDOW = 2**30
_DEFAULT_WINDOW = 65_535


class ConnectionEndedError(Exception):
    """The server ended the connection."""


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Returns one frame of HTTP/2."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def header_block(authority: str, method: str) -> bytes:
    """Returns the headers of a gRPC request by HPACK, as literals, so that no table is kept."""

    def text(value: str) -> bytes:
        encoded = value.encode()
        if len(encoded) > 126:
            raise ValueError(f"longer than a length of one byte: {value}")
        return bytes([len(encoded)]) + encoded

    post, http = b"\x83", b"\x86"  # places in the static table, as are 4 (path), 1 (authority), 31
    return (
        post + http + b"\x04" + text("/" + method) + b"\x01" + text(authority)
        + b"\x0f\x10" + text("application/grpc") + b"\x00" + text("te") + text("trailers")
    )  # fmt: skip


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
        self._next, self._window, self._most, self._answered = 1, _DEFAULT_WINDOW, 2**31, set[int]()
        self.in_flight = 0
        settings = struct.pack(">HIHI", _HEADER_TABLE_SIZE, 0, INITIAL_WINDOW, _WINDOW)
        self._out += PREFACE + frame(SETTINGS, 0, 0, settings)
        self._out += frame(_WINDOW_UPDATE, 0, 0, struct.pack(">I", _WINDOW))
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
        self._out += frame(HEADERS, _END_HEADERS, stream, self._headers)
        self._out += frame(DATA, _END_STREAM, stream, body)
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
        elif kind == SETTINGS and not flags & _ACK:
            for place in range(0, len(payload), 6):
                name, value = struct.unpack_from(">HI", payload, place)
                if name == _MAX_STREAMS:
                    self._most = value
            self._out += frame(SETTINGS, _ACK, 0, b"")
        elif kind == _PING and not flags & _ACK:
            self._out += frame(_PING, _ACK, 0, payload)
        elif kind == _WINDOW_UPDATE and stream == 0:
            self._window += int.from_bytes(payload, "big")
        elif kind == _GOAWAY:
            raise ConnectionEndedError(f"the server sent GOAWAY: {payload[8:]!r}")
        if kind == _RESET or (kind in {DATA, HEADERS} and flags & _END_STREAM):
            if kind == _RESET and stream not in self._answered and payload == b"\x00" * 4:
                return  # a reset without error behind a whole answer
            self.in_flight -= 1
            ended.append((stream, stream in self._answered))
            self._answered.discard(stream)
