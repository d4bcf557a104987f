"""A worker: a whole server on a port and a history that it shares, under a supervisor's orders.

The first line on standard input is its `WorkerOrder`. It writes READY to standard output once it serves, and
answers each further line in one line: "metrics" with the metrics as JSON, "alive" with the same word once the
thread that answers calls was seen to run. Standard input ends with the supervisor: nobody would write the
journal or restart the worker any more, so it refuses what comes, and drains.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading

from prometheus_client import generate_latest

from server.app import ServerApp, Shared
from server.compiling import watch_compiler
from server.host.child import READY
from server.host.confidential import keep_private
from server.settings.config import ServerSettings
from server.telemetry.logs import configure_logs
from server.workers.sharing import ALIVE, WorkerOrder


def serve_worker() -> None:
    """Serves as ordered, until a signal ends it. Needs `hold_stop_signals`.

    Raises what `ServerApp` raises.
    """
    order = WorkerOrder.from_line(sys.stdin.readline())
    settings = ServerSettings(**order.settings)
    keep_private(core_dumps=settings.core_dumps)
    configure_logs(settings.log.level, settings.log.format, worker=order.number)
    watch_compiler()
    app = ServerApp(
        settings,
        shared=Shared(order.buffer, order.region, checks=order.number == 0),
        reuse_port=True,
    )
    app.start()
    _say(READY)
    threading.Thread(
        target=_answer, args=(app, settings.worker_silence_s), name="supervisor", daemon=True
    ).start()
    app.serve_until_signalled()


def _answer(app: ServerApp, silence_s: float) -> None:
    for line in sys.stdin:
        try:
            question = line.strip()
            if question != ALIVE:
                _say(json.dumps(generate_latest(app.metrics.registry).decode()))
            elif app.responsive(silence_s):  # else no answer: the supervisor ends silent workers
                _say(ALIVE)
        except OSError:
            break
    app.journal.abandon()
    os.kill(os.getpid(), signal.SIGTERM)


def _say(line: str) -> None:
    left = memoryview((line + "\n").encode())
    while left:
        left = left[os.write(1, left) :]
