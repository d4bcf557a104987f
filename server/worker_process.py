"""One worker as its supervisor sees it: a process that is started, asked, and ended."""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import sys
import threading

from server.workers import READY, WorkerOrder

_COMMAND = ("-m", "server", "worker")
_ANSWER_S = 2.0


class WorkerProcess:
    """A running worker. What it writes on standard error goes where the supervisor's goes."""

    def __init__(self, order: WorkerOrder) -> None:
        """Starts it. Raises OSError."""
        self._answers: queue.Queue[str] = queue.Queue()
        self._asking = threading.Lock()
        process = self._process = subprocess.Popen(
            [sys.executable, *_COMMAND],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            pass_fds=() if order.region is None else (order.region,),
            process_group=0,  # Ctrl-C is for the supervisor, which ends its workers in order
        )
        if process.stdin is None or process.stdout is None:
            raise OSError("no pipes to a worker")
        self._to, self._from = process.stdin, process.stdout
        self._write(order.to_line())

    def wait_until_ready(self) -> bool:
        """Waits until it serves; gives False when it died instead."""
        return self._from.readline() == READY + "\n"

    def wait(self) -> int:
        """Takes its answers until it ends, and gives its exit code."""
        for line in self._from:
            self._answers.put(line)
        return self._process.wait()

    def metrics(self) -> str | None:
        """Gives its metrics as Prometheus reads them; None when it does not answer."""
        with self._asking:
            try:
                while True:
                    self._answers.get_nowait()  # an answer that came too late for whoever asked
            except queue.Empty:
                pass
            if not self._write("metrics\n"):
                return None
            try:
                return str(json.loads(self._answers.get(timeout=_ANSWER_S)))
            except (queue.Empty, ValueError):
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
