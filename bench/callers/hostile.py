"""Callers that mean harm, or behave as if: over raw HTTP/2, since no library of gRPC lets them."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bench.load.frames import (
    DATA,
    DEFAULT_WINDOW,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    INITIAL_WINDOW,
    PREFACE,
    SETTINGS,
    frame,
    header_block,
)

_BATCH = 64  # requests written at once
SOURCE = "127.0.0.2"  # so that the server takes them for another caller than the polite ones


@contextmanager
def silent(address: str, method: str, calls: int, connections: int) -> Iterator[None]:
    """Holds calls open whose request never comes, spread over connections, while the block lasts."""
    head = header_block(address, method)
    opened = [_connect(address) for _ in range(connections)]
    try:
        for place, connection in enumerate(opened):
            mine = range(place, calls, connections)
            frames = [frame(HEADERS, END_HEADERS, 1 + 2 * number, head) for number in range(len(mine))]
            _write(connection, frames)
        yield
    finally:
        _close(opened)


@contextmanager
def unread(address: str, method: str, bodies: Sequence[bytes], connections: int) -> Iterator[None]:
    """Asks with a window of 0 bytes, so that no answer can leave, while the block lasts."""
    head = header_block(address, method)
    opened = [_connect(address, window=0) for _ in range(connections)]
    try:
        for place, connection in enumerate(opened):
            frames = []
            for number, body in enumerate(bodies[place::connections]):
                stream = 1 + 2 * number
                frames.append(
                    frame(HEADERS, END_HEADERS, stream, head) + frame(DATA, END_STREAM, stream, body)
                )
            _write(connection, frames)
        yield
    finally:
        _close(opened)


def _connect(address: str, window: int = DEFAULT_WINDOW) -> socket.socket:
    """Opens a connection whose answers are read and thrown away."""
    host, _, port = address.rpartition(":")
    opened = socket.create_connection((host, int(port)), timeout=10, source_address=(SOURCE, 0))
    opened.settimeout(5)
    opened.sendall(PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HI", INITIAL_WINDOW, window)))

    def read() -> None:
        while True:
            try:
                if not opened.recv(1 << 16):
                    return
            except TimeoutError:
                continue
            except OSError:
                return

    threading.Thread(target=read, daemon=True).start()
    return opened


def _write(connection: socket.socket, frames: Sequence[bytes]) -> None:
    """Writes what the server takes: one that ends the connection, or reads no further, is no fault here."""
    with contextlib.suppress(OSError):
        for first in range(0, len(frames), _BATCH):
            connection.sendall(b"".join(frames[first : first + _BATCH]))


def _close(opened: Sequence[socket.socket]) -> None:
    for connection in opened:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()
