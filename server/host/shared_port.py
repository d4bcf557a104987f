"""One port for several processes."""

from __future__ import annotations

import socket


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
