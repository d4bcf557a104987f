"""`kuntur-server serve` as a process of its own."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Self

from tests.support.serving import wait_until

_PATIENCE_S = 400.0


def children(pid: int) -> list[int]:
    """Returns the processes that a process has started and that have not ended."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended since
            found += map(int, (task / "children").read_text().split())
    return found


class ServerProcess:
    """A server of one worker unless told otherwise. A context manager that leaves nothing running."""

    def __init__(
        self,
        *arguments: str,
        workers: int = 1,
        listen: str = "127.0.0.1:0",
        core_dumps: bool = False,
        program: tuple[str, str] = ("-m", "server"),
    ) -> None:
        command = [sys.executable, *program, "serve", "--listen", listen]
        command += ["--workers", str(workers), *arguments]
        environment = os.environ | {
            "KUNTUR_SERVER_LOG__FORMAT": "json",
            "KUNTUR_SERVER_MODELS__POLL_INTERVAL_S": "0.05",
            "KUNTUR_SERVER_CORE_DUMPS": str(core_dumps),
        }
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        self.lines: list[str] = []
        """What it wrote, complete once it has ended."""
        # A daemon, so that a server which outlives its test never keeps the tests from ending.
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def address(self) -> str:
        wait_until(lambda: self._port() is not None or self._process.poll() is not None)
        assert self._port() is not None, f"it ended at its start: {self.lines[-3:]}"
        return f"127.0.0.1:{self._port()}"

    def wrote(self, *parts: str) -> bool:
        """Tells whether it wrote a line with all these parts."""
        return any(all(part in line for part in parts) for line in self.lines)

    def send(self, number: int) -> None:
        """Sends a signal."""
        self._process.send_signal(number)

    def wait(self) -> int:
        """Waits for its end and gives the exit code."""
        code = self._process.wait(_PATIENCE_S)
        self._reader.join(_PATIENCE_S)
        return code

    def end(self, number: int = signal.SIGTERM) -> int:
        """Sends a signal, waits for the end and gives the exit code."""
        self.send(number)
        return self.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self.wait()

    def _port(self) -> str | None:
        found = re.search(r'"port": (\d+)', "\n".join(self.lines))
        return found.group(1) if found else None

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.lines.append(line)
