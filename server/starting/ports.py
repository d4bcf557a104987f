"""The ports of a server, taken before anything listens there, for several processes one after the other."""

from __future__ import annotations

from contextlib import ExitStack

from server.host.shared_port import SharedPort
from server.settings.config import ServerSettings
from server.settings.listening import is_socket_file


class TakenPorts:
    """The addresses of a server, each with a port that is known and that no other server can take."""

    def __init__(self, settings: ServerSettings) -> None:
        """Takes them; Unix domain sockets, which only one process can listen on, are left as they are.

        Raises OSError when one is not available.
        """
        with ExitStack() as undone:
            self._undone = undone
            self.port, listen_address = self._take(settings.listen_address)
            self.open_port: int | None = None
            open_address = settings.tls.open_address
            if open_address is not None:
                self.open_port, open_address = self._take(open_address)
            self._undone = undone.pop_all()
        tls = settings.tls.model_copy(update={"open_address": open_address})
        self.settings = settings.model_copy(update={"listen_address": listen_address, "tls": tls})
        """The settings with these ports."""

    def close(self) -> None:
        """Leaves the ports to whoever listens there."""
        self._undone.close()

    def _take(self, address: str) -> tuple[int, str]:
        if is_socket_file(address):
            return 0, address
        port = SharedPort(address)
        self._undone.callback(port.close)
        return port.port, port.listen_address
