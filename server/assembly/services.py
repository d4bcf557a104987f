"""The gRPC server of a process: its endpoints with all that they need, and the transport."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kuntur.bundle.bundle import Registry
from kuntur.wire import TransactionReader
from server.access import AccessControl
from server.journal import Journal
from server.models import LiveSlot, ModelListing, ModelWatcher
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
from server.state import HistoryStore
from server.telemetry.metrics import ServerMetrics
from server.tls.watch import CertificateWatch


@dataclass(frozen=True, slots=True)
class Parts:
    """What the endpoints are made of."""

    settings: ServerSettings
    metrics: ServerMetrics
    admission: Admission
    access: AccessControl | None
    """What asks callers who they are; None where everybody is let in."""
    certificates: CertificateWatch | None
    """What the ports are served with; None without TLS."""
    health: Health
    reader: TransactionReader
    history: HistoryStore
    journal: Journal
    registry: Registry
    slot: LiveSlot
    watcher: ModelWatcher


def built_server(parts: Parts, *, reuse_port: bool, on_failure: Callable[[], None]) -> RpcServer:
    """Returns the server, bound to its ports.

    reuse_port: whether other processes listen there, too; on_failure: called when it stops taking up calls
    though nobody ended it. Raises OSError when a port is not available, `server.errors.TransportError` when
    the transport of the settings is not.
    """
    settings, limits, journal, history = parts.settings, parts.settings.limits, parts.journal, parts.history
    lifetimes = Lifetimes(limits.max_stream_lifetime_s, limits.caller_timeout_s)
    guard = None if parts.access is None else parts.access.guard
    table = ErrorTable(limits.retry_delay_s)
    edge = Edge(parts.admission, table, parts.metrics, lifetimes, guard)
    latest = LatestTime(settings.history.future_tolerance_s)
    frames = Intake(parts.reader, latest, journal, limits.max_frame_transactions)
    reports = Intake(parts.reader, latest, journal, limits.max_request_outcomes)
    services = Services(
        scoring=ScoringEndpoint(edge, frames, _scorer(parts), Answering(history, journal, table)),
        history=HistoryEndpoint(edge, frames, Backfill(history)),
        outcomes=OutcomeEndpoint(edge, reports, OutcomeReports(history)),
        models=ModelEndpoint(ModelListing(parts.registry, parts.slot, parts.watcher)),
    )
    transport = chosen_transport(
        settings.rpc.transport,
        edge,
        TransportSettings.of(
            limits,
            reuse_port=reuse_port,
            waits=lambda: history.remote or journal.behind,
            on_failure=on_failure,
        ),
    )
    return RpcServer(services, edge, parts.health, transport, listening(settings, parts.certificates))


def _scorer(parts: Parts) -> Scorer:
    settings, metrics = parts.settings, parts.metrics
    reasons = ReasonGiver(settings.reasons.per_transaction, metrics.reasoned)
    invalid = InvalidValues(review=settings.models.invalid_value == "review", count=metrics.values_invalid)
    census = AttributeCensus()
    metrics.registry.register(census)
    attributes = settings.attributes
    rules = AttributeRules(
        refuse_unknown=attributes.unknown == "refuse", refuse_missing=attributes.missing == "refuse"
    )
    return Scorer(parts.slot, reasons, invalid, census, rules)
