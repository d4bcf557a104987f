"""The server that is measured, on a core of its own."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bench.workload import Workload, warm_requests
from clients import Client

UNARY = "kuntur.api.v1.ScoringService/ScoreTransaction"
STREAM = "kuntur.api.v1.ScoringService/ScoreStream"
SERVER_CORE, LOAD_CORE = 0, 1
_READY_S = 60.0


@contextmanager
def pinned(core: int, *command: str) -> Iterator[subprocess.Popen[str]]:
    """Runs a program on one core while the block lasts."""
    process = subprocess.Popen(
        ["taskset", "-c", str(core), *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


@contextmanager
def server(workload: Workload) -> Iterator[str]:
    """Runs a server that has seen the warming rows while the block lasts, and gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    arguments = ("-m", "server", "serve", "--listen", address, "--registry", str(workload.registry))
    with pinned(SERVER_CORE, sys.executable, *arguments):
        with Client(address) as client:
            client.wait_until_ready(_READY_S)
            client.send_history(iter(warm_requests(workload.raw)))
        yield address
