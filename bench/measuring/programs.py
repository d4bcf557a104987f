"""The programs that are measured, on cores of their own: the server and the bare echo."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.load.workload import Workload, warm_requests
from clients import Client, ClientConfig

UNARY = "kuntur.api.v1.ScoringService/ScoreTransaction"
STREAM = "kuntur.api.v1.ScoringService/ScoreStream"
SERVER_CORE, LOAD_CORE = 0, 1
_READY_S = 60.0
_END_S = 30.0
_BYTES_A_SCORE = 72


@dataclass(frozen=True, slots=True)
class Running:
    """A server that runs: its address and its process, whose children are its workers, if any."""

    address: str
    pid: int


def free_port() -> int:
    """Finds a port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def pinned(
    cores: int | Sequence[int], *command: str, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Runs a program on one core, or on some, while the block lasts."""
    chosen = ",".join(str(core) for core in ([cores] if isinstance(cores, int) else cores))
    process = subprocess.Popen(
        ["taskset", "-c", chosen, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **(environment or {})},
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(_END_S)


@contextmanager
def echo(core: int = SERVER_CORE, module: str = "bench.measuring.echo") -> Iterator[str]:
    """Runs a bare echo while the block lasts, and gives its address."""
    with pinned(core, sys.executable, "-m", module, str(_BYTES_A_SCORE)) as process:
        assert process.stdout is not None
        yield f"127.0.0.1:{int(process.stdout.readline())}"


@contextmanager
def running(
    workload: Workload,
    *,
    cores: Sequence[int] = (SERVER_CORE,),
    settings: Mapping[str, str] | None = None,
    warm: bool = True,
    ca: Path | None = None,
    token: Path | None = None,
) -> Iterator[Running]:
    """Runs a server while the block lasts.

    settings: by key, such as {"journal.path": "journal"}; warm: whether it gets the workload's warming rows;
    ca: of its certificate, where the settings say that it speaks TLS; token: file with one for it.
    """
    address = f"127.0.0.1:{free_port()}"
    environment = {
        "KUNTUR_SERVER_" + key.upper().replace(".", "__"): value for key, value in (settings or {}).items()
    }
    arguments = ("-m", "server", "serve", "--listen", address, "--registry", str(workload.registry))
    with pinned(cores, sys.executable, *arguments, environment=environment) as process:
        with Client(config=ClientConfig(server=address, ca=ca, token_file=token)) as client:
            client.wait_until_ready(_READY_S)
            if warm:
                client.send_history(iter(warm_requests(workload.raw)))
        yield Running(address, process.pid)


@contextmanager
def server(workload: Workload) -> Iterator[str]:
    """Runs a server that has seen the warming rows while the block lasts, and gives its address."""
    with running(workload) as ran:
        yield ran.address
