"""The composition root: builds the server's parts, starts them, and ends them in order."""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import NamedTuple, Self

import structlog

from kuntur.bundle.bundle import Registry
from kuntur.hash_key import DEFAULT_HASH_KEY
from kuntur.time_zone import time_zone
from server.access import AccessControl
from server.compiling import tell_ready
from server.host.signals import interrupted, wait_for_stop_signal
from server.journal import Buffer, Journal, JournalWriter, MemoryJournal, SharedJournal
from server.journal.encryption import keys_of
from server.models import LiveModel, LiveSlot, ModelListing, ModelWatcher, Trust
from server.rpc import (
    Admission,
    Answering,
    Edge,
    ErrorTable,
    Health,
    HistoryEndpoint,
    Intake,
    LatestTime,
    Lifetimes,
    ModelEndpoint,
    OutcomeEndpoint,
    RpcServer,
    ScoringEndpoint,
    Services,
    TransportSettings,
    chosen_transport,
    compile_hot_path,
    listening,
)
from server.scoring import (
    AttributeCensus,
    AttributeRules,
    Backfill,
    InvalidValues,
    OutcomeReports,
    ReasonGiver,
    Scorer,
)
from server.settings.config import ServerSettings
from server.settings.listening import stays_here
from server.signing import SigningMetrics, open_signing
from server.state.histories import attach_history, open_history
from server.state.sizes import reader_of
from server.state.snapshots import snapshots_beside
from server.telemetry.certificates import CertificateMetrics
from server.telemetry.journal import JournalMetrics
from server.telemetry.metrics import Readings, ServerMetrics
from server.tls.listening import refuse_open_port, watch_of
from server.trial.process import TrialLimits, TrialProcess

_LOG = structlog.get_logger(__name__)
FAILED = 70
"""Exit status of a server that stopped taking up calls though nobody stopped it."""
_LAST_RESORT_S = 15.0


class Shared(NamedTuple):
    """What the processes of a server share.

    buffer: descriptor of the journal's buffer; region: of the history, None where that is elsewhere; checks:
    whether this process is the one that checks the history in the background.
    """

    buffer: int
    region: int | None
    checks: bool


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
        transport of the settings is not available, and `kuntur.bundle.signing.PolicyError` when the policy of
        signatures cannot be used.
        """
        refuse_open_port(settings)
        self.certificates = watch_of(settings.tls)
        self.settings = settings
        self.metrics = ServerMetrics()
        self._access = self._access_control()
        self.slot = LiveSlot()
        self._health = Health()
        registry = Registry(settings.registry_path)
        limits = settings.models
        trial = trial or TrialProcess(
            TrialLimits(limits.trial_s, limits.trial_bytes, limits.max_call_ms / 1e3)
        )
        signatures = settings.signatures
        trust = Trust(signatures.policy, signatures.newest_live)
        self.metrics.signers_required(trust.signers_required())
        self._watcher = ModelWatcher(
            registry,
            self.slot,
            self.metrics,
            trial=trial,
            poll_interval_s=settings.models.poll_interval_s,
            on_live=self._went_live,
            zone=time_zone(settings.institution.time_zone),
            trust=trust,
        )
        self.failed = False
        """Whether it stopped taking up calls by itself."""
        self.admission = Admission(settings.limits)
        self._reader = reader_of(settings)
        with ExitStack() as undone:
            undone.callback(trial.stop)
            self._writer = None if shared is not None else _open_writer(settings)
            if self._writer is not None:
                undone.callback(self._writer.close)
                self.metrics.journal_set_aside(self._writer.set_aside_bytes)
            buffer = _buffer(settings, shared, self._writer)
            self.journal = _open_journal(settings, buffer, self._journal_changed)
            undone.callback(self.journal.close)
            if shared is None:
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
            compile_hot_path(self._reader)
            tell_ready()
            _LOG.info("looking for a live model", registry=str(settings.registry_path))
            with interrupted(self._watcher.stop):  # a model may take its time to be tried
                self._watcher.look()
            self._server = self._build_server(registry, reuse_port=reuse_port)
            undone.pop_all()
        self.metrics.watch(
            Readings(
                history=self.history.counts,
                calls_in_flight=lambda: self.admission.unary.inside,
                streams_open=lambda: self.admission.streams.inside,
                journal_queued=lambda: self.journal.queued,
            )
        )
        if self.certificates is not None:
            self.metrics.registry.register(CertificateMetrics(self.certificates))
        self._signing = open_signing(settings)
        if self._signing is not None:
            self.metrics.registry.register(SigningMetrics(self._signing))
        if self._writer is not None:
            self.metrics.registry.register(JournalMetrics(self._writer))
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
        self._watcher.start()
        _LOG.info(
            "server started",
            port=self.port,
            open_port=self.open_port,
            transport=self._server.transport,
            tls=self._tls(),
            registry=str(self.settings.registry_path),
            journal=str(self.settings.journal.path) if self.settings.journal.path else None,
        )
        if self._access is None and not stays_here(self.settings.listen_address):
            _LOG.warning(
                "whoever reaches the port may score, report and backfill for every institution: "
                'set access.mode = "required" (docs/access.md)',
                listen=self.settings.listen_address,
            )
        if self.settings.history.hash_key == DEFAULT_HASH_KEY:
            _LOG.warning("ids are hashed with the public default key; set history.hash_key in production")
        signatures = self.settings.signatures
        if signatures.policy is None:
            _LOG.warning(
                "UNSIGNED BUNDLES ARE TRUSTED: whoever can write into the registry decides what is fraud; "
                "set signatures.policy in production"
            )
        elif signatures.newest_live is None:
            _LOG.warning(
                "which model was the newest is forgotten when this server ends, and an older one could be "
                "put back then; set signatures.newest_live"
            )

    def stop(self) -> None:
        """Drains and ends: health first, then intake, then what is in flight, the journal last."""
        with self._stopping:
            if self._stopped:
                return
            self._stopped = True
            _LOG.info("server stops", grace_s=self.settings.shutdown.grace_s)
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

    def _signed(self) -> int:
        """Returns how many entries of the journal are known to be signed."""
        return 0 if self._signing is None else self._signing.size

    def _went_live(self, _: LiveModel) -> None:
        self._health.serving()

    def _journal_changed(self, available: bool) -> None:
        self._health.hinder("the journal", hindered=not available)

    def _build_server(self, registry: Registry, *, reuse_port: bool) -> RpcServer:
        settings, limits, journal = self.settings, self.settings.limits, self.journal
        lifetimes = Lifetimes(limits.max_stream_lifetime_s, limits.caller_timeout_s)
        guard = None if self._access is None else self._access.guard
        table = ErrorTable(limits.retry_delay_s)
        edge = Edge(self.admission, table, self.metrics, lifetimes, guard)
        latest = LatestTime(settings.history.future_tolerance_s)
        frames = Intake(self._reader, latest, journal, limits.max_frame_transactions)
        reports = Intake(self._reader, latest, journal, limits.max_request_outcomes)
        reasons = ReasonGiver(settings.reasons.per_transaction, self.metrics.reasoned)
        invalid = InvalidValues(
            review=settings.models.invalid_value == "review", count=self.metrics.values_invalid
        )
        census = AttributeCensus()
        self.metrics.registry.register(census)
        attributes = settings.attributes
        rules = AttributeRules(
            refuse_unknown=attributes.unknown == "refuse", refuse_missing=attributes.missing == "refuse"
        )
        scorer = Scorer(self.slot, reasons, invalid, census, rules)
        services = Services(
            scoring=ScoringEndpoint(edge, frames, scorer, Answering(self.history, journal, table)),
            history=HistoryEndpoint(edge, frames, Backfill(self.history)),
            outcomes=OutcomeEndpoint(edge, reports, OutcomeReports(self.history)),
            models=ModelEndpoint(ModelListing(registry, self.slot, self._watcher)),
        )
        transport = chosen_transport(
            settings.rpc.transport,
            edge,
            TransportSettings.of(
                limits,
                reuse_port=reuse_port,
                waits=lambda: self.history.remote or journal.behind,
                on_failure=self._failed,
            ),
        )
        return RpcServer(services, edge, self._health, transport, listening(settings, self.certificates))

    def _tls(self) -> str | None:
        """Returns what callers have to speak, for the log."""
        tls = self.settings.tls
        if self.certificates is None:
            return None
        mutual = ", with a certificate of the caller" if tls.client_certificate == "required" else ""
        return f"{tls.minimum_version} or newer{mutual}"

    def _failed(self) -> None:
        """Ends the process, which no longer answers: in order if it can, else at once."""
        self.failed = True
        _LOG.critical("no more calls are taken up; the process ends", exit_status=FAILED)
        last = threading.Timer(self.settings.shutdown.grace_s + _LAST_RESORT_S, os._exit, (FAILED,))
        last.daemon = True
        last.start()
        os.kill(os.getpid(), signal.SIGTERM)


def _open_writer(settings: ServerSettings) -> JournalWriter | None:
    journal = settings.journal
    return None if journal.path is None else JournalWriter.of(journal.path, journal)


def _buffer(settings: ServerSettings, shared: Shared | None, writer: JournalWriter | None) -> Buffer:
    if shared is not None:
        return Buffer.attach(shared.buffer)
    if writer is not None:
        return writer.buffer
    return Buffer.anonymous(settings.journal.buffer_bytes)


def _open_journal(settings: ServerSettings, buffer: Buffer, on_change: Callable[[bool], None]) -> Journal:
    journal = settings.journal
    if journal.path is None:
        return MemoryJournal(buffer)
    return SharedJournal(
        buffer, journal.path, keys_of(journal), to_disk=journal.durability == "disk", on_change=on_change
    )
