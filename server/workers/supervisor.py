"""Keeps the workers of a server running: starts them, restarts those that die, ends them in order.

It serves nothing itself and never imports gRPC: a call can bring down a worker, never this process.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack

import structlog
from prometheus_client import CollectorRegistry

from server.assembly.journaling import buffer_of, open_writer
from server.errors import TlsError
from server.host.lost_history import EXIT_CODE as LOST_HISTORY
from server.host.signals import stop_is_wanted, wait_for_stop_signal
from server.settings.config import ServerSettings
from server.settings.sections import JournalSigning
from server.signing import SigningMetrics, open_signing
from server.starting import StandIn, TakenPorts
from server.state.histories import open_region
from server.state.snapshots import snapshots_beside
from server.telemetry.catalogue import JOURNAL_SET_ASIDE, WORKERS_DIED, WORKERS_SILENT
from server.telemetry.journal import JournalMetrics
from server.tls.listening import check_tls
from server.workers.metrics import serve_worker_metrics
from server.workers.process import WorkerProcess
from server.workers.sharing import WorkerOrder

_LOG = structlog.get_logger(__name__)
_STEADY_S = 10.0  # a worker that lived this long had started well
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0
_MOST_EARLY_DEATHS = 5
_ASK_EVERY_S = 1.0  # between two signs of life
_KILL_AFTER_S = 5.0  # beyond the grace that workers give their calls
REFUSED_TO_START = 2
"""Exit code of a worker that said why it cannot start: another try would fail the same way."""


class Supervisor:
    """The workers of one server."""

    def __init__(self, settings: ServerSettings, count: int) -> None:
        """Opens the port and the journal, and the history, brought to where the journal is; nothing runs yet.

        Raises OSError, JournalBufferError, JournalError, RegionError and ReplayError if one is not available,
        `server.errors.TlsError` when certificates cannot be used or others would reach the port without TLS,
        and `server.host.signals.StopWantedError`.
        """
        check_tls(settings)
        self._settings = settings
        with ExitStack() as undone:
            self._ports = TakenPorts(settings)
            undone.callback(self._ports.close)
            self._stand_in = StandIn(settings, self._ports)
            undone.callback(self._stand_in.end)
            self._writer = open_writer(settings)
            if self._writer is not None:
                undone.callback(self._writer.close)
            self._buffer = buffer_of(settings, None, self._writer)
            undone.callback(self._buffer.close)
            with self._stand_in.while_it_takes_long():
                self._region = open_region(settings, self._buffer, self._writer)
            self._snapshots = None
            if self._writer is not None:
                self._snapshots = snapshots_beside(self._writer, settings, self._signed)
            undone.pop_all()
        self._running: dict[int, WorkerProcess] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._ready = [threading.Event() for _ in range(count)]
        self._close_metrics: Callable[[], None] = lambda: None
        self._registry = CollectorRegistry(auto_describe=False)
        self._died = WORKERS_DIED.kept(self._registry)
        self._silent = WORKERS_SILENT.kept(self._registry)
        if self._writer is not None:
            self._registry.register(JournalMetrics(self._writer))
            JOURNAL_SET_ASIDE.kept(self._registry).inc(self._writer.set_aside_bytes)
        self._signing = open_signing(settings)
        if self._signing is not None:
            self._registry.register(SigningMetrics(self._signing))
        self.failed = False
        """Whether the server ends because a worker cannot be kept running."""
        self.exit_code = REFUSED_TO_START
        """What the server ends with then."""
        self._threads = [
            threading.Thread(target=self._keep, args=(number,), name=f"worker-{number}")
            for number in range(count)
        ]

    @property
    def port(self) -> int:
        """The port of all workers."""
        return self._ports.port

    def start(self) -> None:
        """Starts the workers and waits until all of them serve, one cannot (`failed`), or a signal ends that.

        Raises OSError when the port of the metrics is not available, `server.errors.TlsError` when its
        certificate cannot be used; nothing runs then.
        """
        metrics = self._settings.metrics
        if metrics.port:
            try:
                self._close_metrics = serve_worker_metrics(metrics, self._metrics, self._registry)
            except (OSError, TlsError):
                self.stop()
                raise
        if self._writer is not None:
            self._writer.start()
        if self._snapshots is not None:
            self._snapshots.start()
        if self._signing is not None:
            self._signing.start()
        # The first alone: the others then find what it compiled for this machine.
        for wave in (slice(0, 1), slice(1, None)):
            for thread in self._threads[wave]:
                thread.start()
            for ready in self._ready[wave]:
                while not ready.wait(0.1):
                    if self.failed or stop_is_wanted():
                        return
            self._stand_in.end()
        _LOG.info(
            "server started",
            port=self.port,
            open_port=self._ports.open_port,
            workers=len(self._threads),
        )

    def serve_until_signalled(self) -> None:
        """Goes on until a signal ends it, or `failed`, and stops. Needs `hold_stop_signals`."""
        try:
            wait_for_stop_signal()
        finally:
            self.stop()

    def stop(self) -> None:
        """Lets the workers drain and waits for them; those that take too long are killed."""
        _LOG.info("server stops", grace_s=self._settings.shutdown.grace_s)
        self._stand_in.end()
        with self._lock:
            self._stopping.set()
            running = list(self._running.values())
        for process in running:
            process.terminate()
        shutdown = self._settings.shutdown
        deadline = time.monotonic() + shutdown.balancer_wait_s + shutdown.grace_s + _KILL_AFTER_S
        for process in running:
            process.end_by(max(0.0, deadline - time.monotonic()))
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(_KILL_AFTER_S)
        self._close_metrics()
        self._ports.close()
        if self._region is not None:
            self._region.close()
        if self._snapshots is not None:
            self._snapshots.stop()
        if self._writer is not None:
            self._writer.close()
        else:
            self._buffer.close()
        if self._signing is not None:
            self._signing.stop()
        _LOG.info("server stopped")

    def _keep(self, number: int) -> None:
        """Runs one worker, and another whenever it dies, until the server stops."""
        early = 0
        while (process := self._start_one(number)) is not None:
            began = time.monotonic()
            ready = threading.Event()
            threading.Thread(
                target=self._watch, args=(number, process, ready), name=f"watch-{number}", daemon=True
            ).start()
            served = process.wait_until_ready()
            if served:
                self._ready[number].set()
                ready.set()
            code = process.wait()
            with self._lock:
                del self._running[number]
            if self._stopping.is_set():
                return
            early = early + 1 if time.monotonic() - began < _STEADY_S else 0
            self._died.inc()
            _LOG.error("worker died", worker=number, exit_code=code)
            if code == LOST_HISTORY:  # all workers lose it, now or at their next touch of it
                _LOG.error("the history was lost, as the worker says: the server ends")
                self.exit_code = LOST_HISTORY
            refused = not served and code == REFUSED_TO_START
            if code == LOST_HISTORY or refused or early >= _MOST_EARLY_DEATHS:
                _LOG.error("worker cannot be kept running: the server ends", worker=number)
                self.failed = True
                os.kill(os.getpid(), signal.SIGTERM)
                return
            if early > 1:
                self._stopping.wait(min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**early))

    def _watch(self, number: int, process: WorkerProcess, ready: threading.Event) -> None:
        """Ends a worker that gives no sign of life for too long: it would hold its connections for ever.

        Until it is ready, however long that takes, it counts as silent only while it is stopped (SIGSTOP).
        """
        silence_s = self._settings.worker_silence_s
        moved = time.monotonic()
        while not self._stopping.wait(_ASK_EVERY_S):
            with self._lock:
                if self._running.get(number) is not process:
                    return
            if ready.is_set():
                silent = not process.alive(silence_s)
            else:
                moved = moved if process.stopped() else time.monotonic()
                silent = time.monotonic() - moved >= silence_s
            if silent and not self._stopping.is_set():
                _LOG.error(
                    "worker gave no sign of life and is ended",
                    worker=number,
                    silence_s=silence_s,
                    stopped=process.stopped(),
                )
                self._silent.inc()
                process.kill()
                return

    def _signed(self) -> int:
        """Returns how many entries of the journal are known to be signed."""
        return 0 if self._signing is None else self._signing.size

    def _start_one(self, number: int) -> WorkerProcess | None:
        settings = self._ports.settings.model_dump()
        # One process signs for all. Each field is said, else a worker would take it from its environment.
        settings["journal"] |= {"signing": JournalSigning().model_dump(), "checkpoints": ()}
        settings["metrics"]["port"] = 0  # the supervisor answers for all
        order = WorkerOrder(
            number,
            settings,
            self._buffer.fd,
            None if self._region is None else self._region.fd,
        )
        with self._lock:  # either `stop` sees this process, or it is not started
            if self._stopping.is_set():
                return None
            self._running[number] = WorkerProcess(order)
            return self._running[number]

    def _metrics(self) -> dict[int, str]:
        with self._lock:
            running = sorted(self._running.items())
        answers = {number: process.metrics() for number, process in running if self._ready[number].is_set()}
        return {number: text for number, text in answers.items() if text is not None}
