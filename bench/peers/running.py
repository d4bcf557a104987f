"""A peer that runs on the server's core while a block lasts."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.measuring.programs import SERVER_CORE
from bench.peers.catalogue import Peer, PeerError
from bench.peers.environment import WORK, interpreter
from bench.peers.questions import Questions
from bench.peers.runtimes.ports import free_ports

_END_S = 30.0


@contextmanager
def running(peer: Peer, model: Path, questions: Questions) -> Iterator[str]:
    """Runs a peer with a model, and gives its address once it infers. Raises PeerError."""
    python = interpreter(peer)
    (port,) = free_ports(1)
    log = WORK / peer.name / "log.txt"
    program = (str(python), "-m", f"bench.peers.runtimes.{peer.name}", str(model), str(port))
    with log.open("wb") as output:  # a pipe would fill up, since peers tell a lot
        process = subprocess.Popen(
            ["taskset", "-c", str(SERVER_CORE), *program],
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    address = f"127.0.0.1:{port}"
    try:
        try:
            questions.wait(address, lambda: process.poll() is None)
        except PeerError as error:
            lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
            last = next((line for line in reversed(lines) if line.strip()), "")
            raise PeerError(f"cannot be started: {error}; {log} ends with: {last[:200]}") from error
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_END_S)
        with suppress(ProcessLookupError):  # what it has started, or itself when it does not end
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
