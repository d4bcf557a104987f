"""The process that stands in for a server: it answers until it is killed, or its standard input ends.

Its order, all settings, is the first line there.
"""

from __future__ import annotations

import os
import sys

from server.host.child import READY
from server.host.confidential import keep_private
from server.rpc import StandInServer, listening
from server.settings.passing import settings_from_line
from server.telemetry.logs import configure_logs
from server.tls.listening import watch_of


def stand_in_as_ordered() -> None:
    """Answers in a server's stead. Needs `hold_stop_signals`.

    Raises OSError when a port is not available, `server.errors.TlsError` when certificates cannot be used.
    """
    settings = settings_from_line(sys.stdin.readline())
    keep_private(core_dumps=settings.core_dumps)
    configure_logs("error", settings.log.format)  # what is less the server itself says
    certificates = watch_of(settings.tls)
    server = StandInServer(listening(settings, certificates), settings.limits)
    if certificates is not None:
        certificates.start()
    server.start()
    os.write(1, READY.encode() + b"\n")
    sys.stdin.read()
    os._exit(0)  # the server is gone: nothing is left to be done in order
