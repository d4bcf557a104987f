"""Tries models in another process: a model that loops, or takes all memory, takes down that process alone."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from kuntur.confined import deadline, end, how_it_ended, start
from server.trial.messages import Candidate, Finding, receive_finding, send_candidate

_IDLE_S = 30.0
NOT_TRIED, FAILED, TOO_SLOW = "INCOMPLETE", "TRIAL_FAILED", "TOO_SLOW"
Trial = Callable[[Candidate], Finding]
"""Tries a model. Never raises."""


@dataclass(frozen=True, slots=True)
class TrialLimits:
    """What a model may take.

    seconds: for loading, its golden rows and a warm-up; bytes: of memory, the process itself included;
    call_s: median processor time of a call with one row.
    """

    seconds: float
    bytes: int
    call_s: float


class TrialProcess:
    """Tries models in a child process, kept for a while for the next model. For one thread at a time.

    `stop` may come from any thread.
    """

    def __init__(self, limits: TrialLimits) -> None:
        """Starts no process yet, only the thread that will.

        A process inherits the priority of the thread that starts it, and Linux ends it with that thread. So a
        thread that lives until `stop` starts it, with the priority of whoever calls this and not that of the
        thread which loads models (`server.host.scheduling.give_way`).
        """
        self._limits = limits
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="trial-starter")
        self._starter.submit(int).result()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False
        self.started = 0
        """Processes that were started."""

    def __call__(self, candidate: Candidate) -> Finding:
        """Tries a model and returns what was found. Never raises."""
        # A process that ends because nothing came for a while may be doing so now: then another is started.
        return (
            self._try(candidate)
            or self._try(candidate)
            or Finding(NOT_TRIED, "the process that tries models ended before it was asked")
        )

    def _try(self, candidate: Candidate) -> Finding | None:
        """Returns what was found; None when the process had ended by itself before."""
        limits = self._limits
        try:
            process = self._running()
        except OSError as error:
            return Finding(NOT_TRIED, f"the process that tries models could not be started: {error.strerror}")
        if process is None:
            return Finding(FAILED, "the server stops")
        finding = None
        with deadline(process, limits.seconds) as late, contextlib.suppress(OSError, ValueError):
            assert process.stdin is not None  # noqa: S101  (both are pipes)
            assert process.stdout is not None  # noqa: S101
            send_candidate(process.stdin, candidate)
            finding = receive_finding(process.stdout)
        if finding is None:  # it died
            end(process)
            if process.returncode == 0:
                return None
            return Finding(FAILED, self._death(process, late=late.is_set()))
        if not finding.reason and finding.call_s > limits.call_s:
            took, most = finding.call_s * 1e3, limits.call_s * 1e3
            return Finding(
                TOO_SLOW, f"a call takes {took:.3g} ms of processor time in the median, more than {most:g} ms"
            )
        return finding

    def stop(self) -> None:
        """Ends the process, in the middle of a trial too; later trials fail."""
        with self._lock:
            self._stopped = True
            process = self._process
        if process is not None:
            end(process)
        self._starter.shutdown(wait=False)

    def _running(self) -> subprocess.Popen[bytes] | None:
        with self._lock:
            if self._stopped:
                return None
            if self._process is None or self._process.poll() is not None:
                if self._process is not None:
                    end(self._process)
                self._process = self._starter.submit(_start, self._limits.bytes).result()
                self.started += 1
            return self._process

    def _death(self, process: subprocess.Popen[bytes], *, late: bool) -> str:
        if late:
            return f"it was not done after {self._limits.seconds:g} s"
        return f"the process that tried it {how_it_ended(process, self._limits.bytes)}"


def _start(max_bytes: int) -> subprocess.Popen[bytes]:
    return start("server.trial.child", str(max_bytes), str(_IDLE_S))
