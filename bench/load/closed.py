"""Load by calls that each have a body of their own: so many in flight over one connection, the next at once.

h2load sends one body again and again, which the server scores once and then gives its first answer. Here all
requests are built before the first one leaves, so a call costs no more than one of h2load. Responses are not
decoded: one that carried a message succeeded, one of trailers alone was refused or failed.

Run as a process of its own, as `python -m bench.load.closed` (see `run`).
"""

from __future__ import annotations

import gc
import json
import socket
import ssl
import struct
import subprocess
import sys
import time
from array import array
from bisect import bisect_right
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.load.frames import (
    ACK,
    DATA,
    DEFAULT_WINDOW,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    INITIAL_WINDOW,
    PING,
    PREFACE,
    RESET,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
    header_blocks,
)
from bench.load.h2load import Load, LoadError
from bench.load.openloop import split_bodies

_WINDOW = 2**30  # for all answers of a run; more than a run has
_FRAME_BYTES = 16_384  # what any server takes in one frame
_HEAD = struct.Struct(">BHBBI")  # of a frame: length in two parts, kind, flags, stream
_PATIENCE_S = 30


class Requests(NamedTuple):
    """HEADERS and DATA of each request, where the first so many end, and how much of the window they take."""

    content: bytes
    ends: list[int]
    data_ends: list[int]


def requests_of(bodies: list[bytes], first_block: bytes, block: bytes) -> Requests:
    """Builds requests for streams 1, 3, 5 …; raises ValueError where a body does not fit into one frame."""
    parts = []
    for number, body in enumerate(bodies):
        if len(body) > _FRAME_BYTES:
            raise ValueError(f"body {number} has {len(body)} bytes, one frame takes {_FRAME_BYTES}")
        stream = 2 * number + 1
        head = frame(HEADERS, END_HEADERS, stream, block if number else first_block)
        parts.append(head + frame(DATA, END_STREAM, stream, body))
    ends = list(accumulate(map(len, parts), initial=0))
    return Requests(b"".join(parts), ends, list(accumulate(map(len, bodies), initial=0)))


def connect(address: str, *, tls: bool = False) -> socket.socket:
    """Connects, whatever the server's certificate, and opens HTTP/2. Raises OSError."""
    host, _, port = address.rpartition(":")
    connection = socket.create_connection((host, int(port)), timeout=_PATIENCE_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["h2"])
        connection = context.wrap_socket(connection, server_hostname=host)
    # Patience by the system: with a time limit of its own, Python asks `poll` before each `recv`.
    connection.settimeout(None)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", _PATIENCE_S, 0))
    opening = frame(SETTINGS, 0, 0, struct.pack(">HI", INITIAL_WINDOW, _WINDOW))
    opening += frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", _WINDOW))
    connection.sendall(PREFACE + opening)
    return connection


def send_all(
    connection: socket.socket, requests: Requests, in_flight: int
) -> tuple[array[float], array[float]]:
    """Sends each request as soon as one before it is answered; returns when each was sent and had ended.

    Raises LoadError where a call fails, OSError where the connection does.
    """
    content, ends, data_ends = memoryview(requests.content), requests.ends, requests.data_ends
    count = len(ends) - 1
    sent, ended, carried = array("d", bytes(8 * count)), array("d", bytes(8 * count)), bytearray(count)
    following = done = 0
    most = 0  # in flight: none before the server's settings have come
    window = DEFAULT_WINDOW  # bytes that may be sent in all
    clock, receive, head_of = time.perf_counter, connection.recv, _HEAD.unpack_from
    rest = b""
    while done < count:
        came = receive(1 << 18)
        now = clock()
        if not came:
            raise LoadError(f"the server closed the connection after {done} of {count} calls")
        if rest:
            came = rest + came
        place, size = 0, len(came)
        while size - place >= 9:
            high, low, kind, flags, stream = head_of(came, place)
            end = place + 9 + (high << 16 | low)
            if end > size:
                break
            if kind == DATA:
                carried[stream >> 1] = 1
            elif kind == HEADERS and flags & END_STREAM:
                if not carried[stream >> 1]:
                    raise LoadError(f"call {stream >> 1} of {count} was refused or failed")
                ended[stream >> 1] = now
                done += 1
            elif kind == SETTINGS and not flags & ACK:
                connection.sendall(frame(SETTINGS, ACK, 0, b""))
                most = in_flight
            elif kind == PING and not flags & ACK:
                connection.sendall(frame(PING, ACK, 0, came[place + 9 : end]))
            elif kind == WINDOW_UPDATE and stream == 0:
                window += int.from_bytes(came[place + 9 : end], "big")
            elif kind == GOAWAY:
                raise LoadError(f"the server sent GOAWAY: {came[place + 17 : end]!r}")
            elif kind == RESET and not (stream and ended[stream >> 1]):
                raise LoadError(f"the server reset call {stream >> 1} of {count}")
            place = end
        rest = came[place:]
        until = min(done + most, count)
        if until > following and data_ends[until] > window:
            until = bisect_right(data_ends, window) - 1
        if until > following:
            now = clock()
            connection.sendall(content[ends[following] : ends[until]])
            for number in range(following, until):
                sent[number] = now
            following = until
    return sent, ended


def run(
    address: str,
    method: str,
    bodies: Path,
    *,
    requests: int,
    in_flight: int,
    core: int,
    tls: bool = False,
    authorization: str = "",
) -> Load:
    """Sends the first so many bodies of a file, from one core. Raises LoadError unless all succeed.

    method: full name, such as kuntur.api.v1.ScoringService/ScoreTransaction; bodies: gRPC messages with their
    prefixes, one behind another; tls: whether the server speaks it, with whatever certificate; authorization:
    metadata of that name.
    """
    out = bodies.with_suffix(".times.npz")
    command = ["taskset", "-c", str(core), sys.executable, "-m", "bench.load.closed"]
    order = json.dumps([address, method, str(bodies), requests, in_flight, tls, authorization, str(out)])
    done = subprocess.run(command, input=order, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LoadError(f"the load failed: {done.stderr[-500:]}")
    with np.load(out) as times:
        sent, ended = times["sent"], times["ended"]
    out.unlink()
    return Load(requests, float(ended.max() - sent.min()), ended - sent)


def main() -> None:
    """Reads what to send from standard input, sends it and writes the times."""
    address, method, path, count, in_flight, tls, authorization, out = json.load(sys.stdin)
    bodies = split_bodies(Path(path).read_bytes())[:count]
    if len(bodies) < count:
        sys.exit(f"{path} has {len(bodies)} bodies, {count} are needed: write more")
    requests = requests_of(bodies, *header_blocks(address, method, tls=tls, authorization=authorization))
    gc.disable()
    try:
        with connect(address, tls=tls) as connection:
            sent, ended = send_all(connection, requests, in_flight)
    except (LoadError, OSError) as error:
        sys.exit(f"{address}: {error}")
    np.savez(out, sent=np.asarray(sent), ended=np.asarray(ended))


if __name__ == "__main__":
    main()
