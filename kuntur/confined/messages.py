"""What goes over the pipes of a child: each message a line of JSON and as many bytes as the line says."""

from __future__ import annotations

import json
from typing import IO, Any

_MAX_LINE_BYTES = 64 << 10


def send(pipe: IO[bytes], head: dict[str, Any], *parts: bytes | memoryview) -> None:
    """Writes a message: what its line says, and the bytes behind it."""
    pipe.write(json.dumps(head).encode() + b"\n")
    for part in parts:
        pipe.write(part)
    pipe.flush()


def receive(pipe: IO[bytes]) -> dict[str, Any] | None:
    """Reads the line of a message; None at the end of the pipe. Raises ValueError for what is none."""
    line = pipe.readline(_MAX_LINE_BYTES)
    if not line.endswith(b"\n"):
        return None
    head: dict[str, Any] = json.loads(line)
    return head


def exactly(pipe: IO[bytes], count: int) -> bytes:
    """Reads so many bytes behind the line. Raises ValueError where the pipe ends before."""
    content = pipe.read(count)
    if len(content) != count:
        raise ValueError("the pipe ended in the middle of a message")
    return content
