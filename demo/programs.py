"""The programs of the demonstration, started as a person would start them."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_BIN = Path(sys.executable).parent
_STOP_S = 30


class StepFailedError(Exception):
    """A program ended with an error; it has said on the terminal what was wrong."""


def _command(program: str, *arguments: object) -> list[str]:
    return [str(_BIN / program), *map(str, arguments)]


def run(program: str, *arguments: object) -> None:
    """Runs a program to its end. Raises StepFailedError when it fails."""
    done = subprocess.run(_command(program, *arguments), check=False)
    if done.returncode != 0:
        raise StepFailedError(f"{program} {arguments[0]} ended with exit code {done.returncode}")


def said(program: str, *arguments: object) -> str:
    """Runs a program to its end and returns the line that it says. Raises StepFailedError when it fails."""
    done = subprocess.run(_command(program, *arguments), stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise StepFailedError(f"{program} {arguments[0]} ended with exit code {done.returncode}")
    return done.stdout.strip()


def start(program: str, *arguments: object) -> subprocess.Popen[bytes]:
    """Starts a program and gives it without waiting."""
    return subprocess.Popen(_command(program, *arguments))


@contextmanager
def server(registry: Path, journal: Path, log: Path) -> Iterator[str]:
    """Runs a server on a free port for the length of the block and gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    arguments = ("serve", "--registry", registry, "--journal", journal, "--listen", address)
    with log.open("wb") as output:
        process = subprocess.Popen(_command("kuntur-server", *arguments), stderr=output)
    try:
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(_STOP_S)
    if code != 0:
        raise StepFailedError(f"the server ended with exit code {code}; its log is {log}")
