"""Has another process answer at the server's ports while the server makes its history anew.

That may take minutes, all of them compiled code and reading in one process, which could answer nobody beside
it. A start that is over in a moment has no such process, and costs what it cost.
"""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Iterator

import structlog

from server.host.child import READY, give_order, started
from server.settings.config import ServerSettings
from server.settings.listening import is_socket_file
from server.settings.passing import settings_to_line
from server.starting.ports import TakenPorts

_LOG = structlog.get_logger(__name__)
_MOMENT_S = 1.0  # such a process takes longer than that to come up, and a processor with it


class StandIn:
    """What answers in a server's stead: health says NOT_SERVING, everything else that the server is starting.

    It shares TCP ports with the server, so that no caller is refused a connection when the server takes over;
    a Unix domain socket it has to leave first.
    """

    def __init__(self, settings: ServerSettings, ports: TakenPorts | None = None) -> None:
        """Takes the settings, and the ports where their owner has taken them already."""
        self._settings, self._ports, self._owned = settings, ports, ports is None
        store, journal = settings.history, settings.journal.path
        self._wanted = store.store == "region" and (journal is not None or store.path is not None)
        self._process: subprocess.Popen[str] | None = None
        self._failure: OSError | None = None

    @contextlib.contextmanager
    def while_it_takes_long(self) -> Iterator[None]:
        """Starts the process once the block has lasted longer than a moment; it stays until `end`.

        Raises OSError, at the end of the block, where a port is not available.
        """
        over = threading.Event()

        def wait() -> None:
            if not over.wait(_MOMENT_S):
                self._start()

        thread = threading.Thread(target=wait, name="stand-in", daemon=True)
        if self._wanted:
            thread.start()
        try:
            yield
        finally:
            over.set()
            if self._wanted:
                thread.join()
        if self._failure is not None:
            raise self._failure

    def give_over(self) -> tuple[ServerSettings, bool]:
        """Returns the settings to listen by from now on, and whether the process still listens there, too."""
        if self._ports is None:
            return self._settings, False
        settings = self._ports.settings
        if any(map(is_socket_file, (settings.listen_address, settings.tls.open_address or ""))):
            self.end()
            return settings, False
        return settings, True

    def end(self) -> None:
        """Ends the process, if there is one, and leaves the ports, if they were taken here. Twice is once.

        Its callers see UNAVAILABLE, and find the server when they come again.
        """
        process, self._process = self._process, None
        if process is not None:
            # At once: a server of gRPC that ends in order tells callers CANCELLED which come at that moment,
            # and they would not call again.
            process.kill()
            process.wait()
        if self._owned and self._ports is not None:
            self._ports.close()

    def _start(self) -> None:
        try:
            self._ports = self._ports or TakenPorts(self._settings)
        except OSError as error:
            self._failure = error
            return
        settings = self._ports.settings
        try:
            process = started("stand-in")
        except OSError as error:
            _LOG.error("callers cannot be told that the server is starting", reason=str(error))
            return
        self._process = process
        threading.Thread(
            target=self._listen, args=(process, settings), name="stand-in-says", daemon=True
        ).start()
        give_order(process, settings_to_line(settings))

    def _listen(self, process: subprocess.Popen[str], settings: ServerSettings) -> None:
        if process.stdout is None:
            return
        for line in process.stdout:
            if line == READY + "\n":
                _LOG.info(
                    "callers are told that the server is starting, and health that it does not serve yet",
                    listen=settings.listen_address,
                )
