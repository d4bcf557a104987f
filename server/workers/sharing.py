"""One port for several processes, and the memory they share: what a supervisor hands to its workers.

A worker gets all of it in one line of JSON on its standard input, which stays open as long as the supervisor
lives: its end tells the worker that nobody would restart it any more.
"""

from __future__ import annotations

import json
import socket
from dataclasses import asdict, dataclass
from typing import Any, Self

from server.settings.passing import plain

READY = "ready"
"""What a worker says when it serves."""
ALIVE = "alive"
"""What a worker is asked now and then, and answers."""


@dataclass(frozen=True, slots=True)
class WorkerOrder:
    """What a worker is to do.

    number: from 0 on; settings: all of `ServerSettings`, with the address that all workers share; buffer:
    descriptor of that of the journal; region: of the shared history, None where the history is elsewhere.
    """

    number: int
    settings: dict[str, Any]
    buffer: int
    region: int | None

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What the worker inherits."""
        return (self.buffer,) if self.region is None else (self.buffer, self.region)

    def to_line(self) -> str:
        """Returns it as a line of JSON, secrets included: it goes through a pipe that nobody else reads."""
        return json.dumps(asdict(self), default=plain) + "\n"

    @classmethod
    def from_line(cls, line: str) -> Self:
        """Reads what `to_line` returned."""
        return cls(**json.loads(line))


class SharedPort:
    """A port that is kept for the processes that listen on it with SO_REUSEPORT."""

    def __init__(self, listen_address: str) -> None:
        """Takes HOST:PORT, port 0 for a free one. Raises OSError when another process listens there."""
        host, _, port = listen_address.rpartition(":")
        bare = host.strip("[]")
        family, _, _, _, where = socket.getaddrinfo(
            bare or None, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        # Without SO_REUSEPORT first: with it, a second server would share the port instead of failing.
        with socket.socket(family, socket.SOCK_STREAM) as alone:
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                alone.bind(where)
            except OSError as error:
                raise OSError(f"cannot listen on {listen_address}: {error.strerror}") from error
            taken = alone.getsockname()
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        for option, value in ((socket.SO_REUSEADDR, 1), (socket.SO_REUSEPORT, 1)):
            self._socket.setsockopt(socket.SOL_SOCKET, option, value)
        self._socket.bind(taken)
        # Needed to bind beside connections of an earlier server; from now on nobody else may.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        self.port = int(taken[1])
        self.listen_address = f"{host}:{self.port}"

    def close(self) -> None:
        """Closes the port."""
        self._socket.close()
