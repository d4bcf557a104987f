"""One worker as its supervisor sees it: a process that it starts, asks, and ends."""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import threading
from pathlib import Path

from server.host.child import READY, started
from server.workers.sharing import ALIVE, WorkerOrder

_ANSWER_S = 2.0


class WorkerProcess:
    """A running worker. It shares the supervisor's standard error."""

    def __init__(self, order: WorkerOrder) -> None:
        """Starts it. Raises OSError."""
        self._answers: queue.Queue[str] = queue.Queue()
        self._asking = threading.Lock()
        process = self._process = started("worker", order.descriptors)
        if process.stdin is None or process.stdout is None:
            raise OSError("no pipes to a worker")
        self._to, self._from = process.stdin, process.stdout
        self._write(order.to_line())

    def wait_until_ready(self) -> bool:
        """Waits until it serves; returns False when it died instead."""
        return self._from.readline() == READY + "\n"

    def wait(self) -> int:
        """Takes its answers until it ends; returns its exit code."""
        for line in self._from:
            self._answers.put(line)
        return self._process.wait()

    def metrics(self) -> str | None:
        """Returns its metrics as Prometheus reads them; None when it does not answer."""
        answer = self._ask("metrics", _ANSWER_S)
        try:
            return None if answer is None else str(json.loads(answer))
        except ValueError:
            return None

    def alive(self, timeout_s: float) -> bool:
        """Returns whether it answers within the time; one that has ended counts as answering."""
        return self._ask(ALIVE, timeout_s) is not None or self._process.poll() is not None

    def stopped(self) -> bool:
        """Returns whether the operating system holds it (SIGSTOP, a debugger)."""
        try:
            stat = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="utf-8")
        except OSError:
            return False
        return stat.rpartition(")")[2].split()[0] in {"T", "t"}

    def kill(self) -> None:
        """Ends it at once."""
        self._process.kill()

    def _ask(self, question: str, timeout_s: float) -> str | None:
        """Returns the line that it answers; None when there is none within the time."""
        with self._asking:
            try:
                while True:
                    self._answers.get_nowait()  # an answer that came too late for an earlier question
            except queue.Empty:
                pass
            if not self._write(question + "\n"):
                return None
            try:
                return self._answers.get(timeout=timeout_s)
            except queue.Empty:
                return None

    def terminate(self) -> None:
        """Asks it to drain and end."""
        self._process.send_signal(signal.SIGTERM)

    def end_by(self, timeout_s: float) -> None:
        """Waits for its end, and kills it when that takes too long."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _write(self, line: str) -> bool:
        try:
            self._to.write(line)
            self._to.flush()
        except (OSError, ValueError):  # it died: whoever waits for it sees that
            return False
        return True
