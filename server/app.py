"""The composition root: builds the server's parts, starts them, and ends them in order.

How the parts are put together, by concern, is in `server.assembly`.
"""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Self

import structlog

from kuntur.bundle.bundle import Registry
from server.access import AccessControl
from server.assembly.journaling import Shared, buffer_of, open_journal, open_writer
from server.assembly.modelling import trial_of, watcher_of
from server.assembly.services import Parts, built_server
from server.assembly.told import tell_started
from server.compiling import tell_ready
from server.host.signals import interrupted, wait_for_stop_signal
from server.models import LiveModel, LiveSlot
from server.rpc import Admission, Health, RpcServer, compile_hot_path
from server.settings.config import ServerSettings
from server.signing import SigningMetrics, open_signing
from server.starting import StandIn
from server.state.histories import attach_history, open_history
from server.state.sizes import reader_of
from server.state.snapshots import snapshots_beside
from server.telemetry.certificates import CertificateMetrics
from server.telemetry.journal import JournalMetrics
from server.telemetry.metrics import Readings, ServerMetrics
from server.tls.listening import refuse_open_port, watch_of
from server.trial.process import TrialProcess

__all__ = ["FAILED", "ServerApp", "Shared"]
_LOG = structlog.get_logger(__name__)
FAILED = 70
"""Exit status of a server that stopped taking up calls though nobody stopped it."""
_LAST_RESORT_S = 15.0


class ServerApp:
    """A whole server in this process. Also a context manager that starts and stops it.

    settings, metrics, history, journal, slot (the live model) and admission are there for its owner to read.
    """

    def __init__(
        self,
        settings: ServerSettings,
        *,
        shared: Shared | None = None,
        trial: TrialProcess | None = None,
        reuse_port: bool = False,
    ) -> None:
        """Builds everything, loads the live model and binds the port; nothing runs yet.

        shared: what the processes of a server share, None where this is the only one; trial: by default that
        of the settings, closed with the server in either case; reuse_port: whether other processes of this
        server listen on the port.

        Raises OSError when the port or the journal is not available, `kuntur.journal.file.JournalError` when
        the journal is damaged, `server.state.RegionError` when the file of the history, or what is in Redis,
        cannot be used, `server.errors.AccessError` when the bindings cannot be used, `server.errors.TlsError`
        when certificates cannot be used or others would reach the port without TLS, `TransportError` when the
        transport of the settings is not available, `kuntur.bundle.signing.PolicyError` when the policy of
        signatures cannot be used, and `server.host.signals.StopWantedError`.
        """
        refuse_open_port(settings)
        self.certificates = watch_of(settings.tls)
        self.settings = settings
        self.metrics = ServerMetrics()
        self._access = self._access_control()
        self.slot = LiveSlot()
        self._health = Health()
        registry = Registry(settings.registry_path)
        trial = trial or trial_of(settings)
        self._watcher = watcher_of(settings, registry, self.slot, self.metrics, trial, self._went_live)
        self.failed = False
        """Whether it stopped taking up calls by itself."""
        self.admission = Admission(settings.limits)
        reader = reader_of(settings)
        self._stand_in = StandIn(settings)
        with ExitStack() as undone:
            undone.callback(trial.stop)
            self._writer = None if shared is not None else open_writer(settings)
            if self._writer is not None:
                undone.callback(self._writer.close)
                self.metrics.journal_set_aside(self._writer.set_aside_bytes)
            self.journal = open_journal(
                settings, buffer_of(settings, shared, self._writer), self._journal_changed
            )
            undone.callback(self.journal.close)
            undone.callback(self._stand_in.end)
            if shared is None:
                with self._stand_in.while_it_takes_long():
                    opened = open_history(settings, self.journal, self._writer)
            else:
                opened = attach_history(settings, shared.region, self.journal, checks=shared.checks)
            self.history, self._close_history = opened
            undone.callback(self._close_history)
            self._snapshots = None
            if self._writer is not None:
                self._writer.start()
                self._snapshots = snapshots_beside(self._writer, settings, self._signed)
            # What takes time comes before the port is bound: from then on callers come, and leave others.
            _LOG.info("preparing the compiled code")
            compile_hot_path(reader)
            tell_ready()
            _LOG.info("looking for a live model", registry=str(settings.registry_path))
            with interrupted(self._watcher.stop):  # a model may take its time to be tried
                self._watcher.look()
            where, port_is_shared = self._stand_in.give_over()
            self._server: RpcServer = built_server(
                Parts(
                    settings=where,
                    metrics=self.metrics,
                    admission=self.admission,
                    access=self._access,
                    certificates=self.certificates,
                    health=self._health,
                    reader=reader,
                    history=self.history,
                    journal=self.journal,
                    registry=registry,
                    slot=self.slot,
                    watcher=self._watcher,
                ),
                reuse_port=reuse_port or port_is_shared,
                on_failure=self._failed,
            )
            undone.pop_all()
        self._signing = open_signing(settings)
        self._register_metrics()
        self._close_metrics: Callable[[], None] = lambda: None
        self._stopping = threading.Lock()
        self._started = False
        self._stopped = False

    @property
    def port(self) -> int:
        """The port of the gRPC server."""
        return self._server.ports[0]

    @property
    def open_port(self) -> int | None:
        """The port of `tls.open_address`; None where there is no such address."""
        return self._server.ports[1] if len(self._server.ports) > 1 else None

    def responsive(self, timeout_s: float) -> bool:
        """Returns whether the server shows, within the time, that it still takes up and answers calls."""
        return self._server.responsive(timeout_s)

    def start(self) -> None:
        """Begins to serve: SERVING with a live model; without one NOT_SERVING until there is one.

        Raises OSError when the port of the metrics is not available, `server.errors.TlsError` when its
        certificate cannot be used; the server is stopped then.
        """
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        metrics = self.settings.metrics
        if metrics.port:
            _, self._close_metrics = self.metrics.serve(metrics)
        self._started = True
        if self._signing is not None:
            self._signing.start()
        if self._access is not None:
            self._access.start()
        if self.certificates is not None:
            self.certificates.start()
        if self._snapshots is not None:
            self._snapshots.start()
        self._server.start()
        self._stand_in.end()
        self._watcher.start()
        tell_started(
            self.settings, port=self.port, open_port=self.open_port, transport=self._server.transport
        )

    def stop(self) -> None:
        """Drains and ends: health first, then intake, then what is in flight, the journal last."""
        with self._stopping:
            if self._stopped:
                return
            self._stopped = True
            _LOG.info("server stops", grace_s=self.settings.shutdown.grace_s)
            self._stand_in.end()
            shutdown = self.settings.shutdown
            if self._started:
                self._server.drain(balancer_wait_s=shutdown.balancer_wait_s, grace_s=shutdown.grace_s)
            self._watcher.stop()
            if self._access is not None:
                self._access.stop()
            if self.certificates is not None:
                self.certificates.stop()
            if self._snapshots is not None:
                self._snapshots.stop()
            self.journal.close()
            if self._writer is not None:
                self._writer.close()
            if self._signing is not None:
                self._signing.stop()
            self._close_metrics()
            self._close_history()
            _LOG.info("server stopped")

    def serve_until_signalled(self) -> None:
        """Goes on serving until a signal ends it, and stops. Needs `hold_stop_signals`, and a start.

        Raises SystemExit with `FAILED` when it stopped because it no longer took up calls.
        """
        # What is loaded by now stays for good: walking it would stop every thread for 80 ms a collection.
        gc.collect()
        gc.freeze()
        try:
            wait_for_stop_signal()
        finally:
            self.stop()
        if self.failed:
            raise SystemExit(FAILED)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _access_control(self) -> AccessControl | None:
        """Returns what asks callers who they are; None where the settings let everybody in."""
        access, metrics = self.settings.access, self.metrics
        if access.mode == "open":
            return None
        return AccessControl(access, metrics.access_reloaded, metrics.token_checked)

    def _register_metrics(self) -> None:
        self.metrics.watch(
            Readings(
                history=self.history.counts,
                calls_in_flight=lambda: self.admission.unary.inside,
                streams_open=lambda: self.admission.streams.inside,
                journal_queued=lambda: self.journal.queued,
            )
        )
        registry = self.metrics.registry
        if self.certificates is not None:
            registry.register(CertificateMetrics(self.certificates))
        if self._signing is not None:
            registry.register(SigningMetrics(self._signing))
        if self._writer is not None:
            registry.register(JournalMetrics(self._writer))

    def _signed(self) -> int:
        """Returns how many entries of the journal are known to be signed."""
        return 0 if self._signing is None else self._signing.size

    def _went_live(self, _: LiveModel) -> None:
        self._health.serving()

    def _journal_changed(self, available: bool) -> None:
        self._health.hinder("the journal", hindered=not available)

    def _failed(self) -> None:
        """Ends the process, which no longer answers: in order if it can, else at once."""
        self.failed = True
        _LOG.critical("no more calls are taken up; the process ends", exit_status=FAILED)
        last = threading.Timer(self.settings.shutdown.grace_s + _LAST_RESORT_S, os._exit, (FAILED,))
        last.daemon = True
        last.start()
        os.kill(os.getpid(), signal.SIGTERM)
