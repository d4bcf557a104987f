"""Every metric of the server, declared once: name, meaning, labels, and whose it is.

Code that counts or reads one makes it from its declaration; docs/metrics.md is made from them too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily


class Of(Enum):
    """Whose a metric is."""

    PROCESS = "process"
    """Of each process that serves; with several workers it has the label `worker`."""
    JOURNAL = "journal"
    """Of each process that serves and keeps a journal."""
    SIGNING = "signing"
    """Of a server whose journal is signed."""
    TLS = "tls"
    """Of each process that serves with TLS."""
    HISTORY = "history"
    """Of the history, which all workers share: exposed once."""
    SUPERVISOR = "supervisor"
    """Of a server of several workers as a whole."""


@dataclass(frozen=True, slots=True)
class _Declaration:
    name: str
    """As it is declared to Prometheus, which appends `_total` to that of a counter."""
    text: str
    """What it counts or measures."""
    labels: tuple[str, ...] = ()
    of: Of = field(default=Of.PROCESS, kw_only=True)


@dataclass(frozen=True, slots=True)
class CounterDeclaration(_Declaration):
    """A number that only grows."""

    kind: ClassVar[str] = "counter"

    @property
    def exposed(self) -> str:
        """The name that Prometheus sees."""
        return f"{self.name}_total"

    def kept(self, registry: CollectorRegistry) -> Counter:
        """Returns a counter to add to."""
        return Counter(self.name, self.text, self.labels, registry=registry)

    def read(self, value: float | None = None) -> CounterMetricFamily:
        """Returns a value that is kept elsewhere, or a family without values yet."""
        return CounterMetricFamily(self.name, self.text, value, self.labels or None)


@dataclass(frozen=True, slots=True)
class GaugeDeclaration(_Declaration):
    """A number that rises and falls."""

    kind: ClassVar[str] = "gauge"

    @property
    def exposed(self) -> str:
        """The name that Prometheus sees."""
        return self.name

    def kept(self, registry: CollectorRegistry) -> Gauge:
        """Returns a gauge to set."""
        return Gauge(self.name, self.text, self.labels, registry=registry)

    def read(self, value: float | None = None) -> GaugeMetricFamily:
        """Returns a value that is kept elsewhere, or a family without values yet."""
        return GaugeMetricFamily(self.name, self.text, value, self.labels or None)


@dataclass(frozen=True, slots=True)
class HistogramDeclaration(_Declaration):
    """How often a value fell into each of some ranges."""

    kind: ClassVar[str] = "histogram"

    @property
    def exposed(self) -> str:
        """The name that Prometheus sees, in front of `_bucket`, `_count` and `_sum`."""
        return self.name

    def kept(self, registry: CollectorRegistry, bounds: Sequence[float]) -> Histogram:
        """Returns a histogram to observe with; bounds: upper ends of the ranges."""
        return Histogram(self.name, self.text, self.labels, registry=registry, buckets=bounds)

    def read(self) -> HistogramMetricFamily:
        """Returns a family for values that are kept elsewhere."""
        return HistogramMetricFamily(self.name, self.text, labels=self.labels or None)


Declaration = CounterDeclaration | GaugeDeclaration | HistogramDeclaration

TRANSACTIONS_SCORED = CounterDeclaration(
    "kuntur_transactions_scored", "Transactions scored, by decision", ("decision",)
)
REQUEST_SECONDS = HistogramDeclaration(
    "kuntur_request_seconds",
    "Time from a request's bytes to its response's; a stream counts each frame",
    ("method",),
)
TRANSACTIONS_REPLAYED = CounterDeclaration(
    "kuntur_transactions_replayed", "Transactions that came again and got their first answer"
)
TRANSACTIONS_REASONED = CounterDeclaration("kuntur_transactions_reasoned", "Transactions scored with reasons")
REASONS_SECONDS = HistogramDeclaration(
    "kuntur_reasons_seconds", "Time that the reasons of a call or frame took, where it had any"
)
ITEMS_REFUSED = CounterDeclaration(
    "kuntur_items_refused", "Transactions and outcomes refused within a frame or a report"
)
ERRORS = CounterDeclaration("kuntur_errors", "Calls and streams that ended with an error", ("reason",))
CALLS_REFUSED = CounterDeclaration(
    "kuntur_calls_refused",
    "Calls and streams that ended before work on them began",
    ("resource", "reason"),
)
ACCESS_REFUSED = CounterDeclaration(
    "kuntur_access_refused", "Calls, streams and items that whoever sent them may not send", ("reason",)
)
ACCESS_RELOADS = CounterDeclaration(
    "kuntur_access_reloads",
    "Times that bindings, or keys of the tokens' issuer, were read anew, and taken or refused",
    ("what", "result"),
)
TOKENS_CHECKED = CounterDeclaration(
    "kuntur_tokens_checked", "Bearer tokens that were not known yet and whose signature was looked at"
)
CALLS_IN_FLIGHT = GaugeDeclaration("kuntur_calls_in_flight", "Unary calls in flight")
STREAMS_OPEN = GaugeDeclaration("kuntur_streams_open", "Streams open")
RPC_TRANSPORT = GaugeDeclaration("kuntur_rpc_transport", "1 for the transport that serves", ("transport",))
RPC_HELD_BYTES = GaugeDeclaration(
    "kuntur_rpc_held_bytes",
    "Bytes of requests that wait for their turn, and of answers that have not left",
    ("kind",),
)
ATTRIBUTES_MISMATCHED = CounterDeclaration(
    "kuntur_attributes_mismatched",
    "Transactions with an attribute that the model does not know, or without one that it takes",
    ("mismatch", "attribute"),
)
LIVE_MODEL = GaugeDeclaration("kuntur_live_model", "1 for the model that scores", ("model_version",))
MODELS_GONE_LIVE = CounterDeclaration("kuntur_models_gone_live", "Models that went live")
BUNDLES_REFUSED = CounterDeclaration("kuntur_bundles_refused", "Bundles refused", ("reason",))
BUNDLE_SIGNERS_REQUIRED = GaugeDeclaration(
    "kuntur_bundle_signers_required",
    "Signers that a bundle must have to go live; 0: unsigned ones are trusted",
)
MODEL_VALUES_INVALID = CounterDeclaration(
    "kuntur_model_values_invalid", "Transactions for which the live model returned no probability"
)
JOURNAL_QUEUED = GaugeDeclaration("kuntur_journal_queued", "Entries that wait for the journal")
JOURNAL_SET_ASIDE = CounterDeclaration(
    "kuntur_journal_set_aside_bytes",
    "Bytes of the journal that were set aside at the start: no valid entry followed",
)

JOURNAL_AVAILABLE = GaugeDeclaration(
    "kuntur_journal_available",
    "1 while the journal is written, 0 while calls are refused because it cannot be",
    of=Of.JOURNAL,
)
JOURNAL_INTERRUPTIONS = CounterDeclaration(
    "kuntur_journal_interruptions", "Times that the journal could not be written", of=Of.JOURNAL
)
JOURNAL_ENTRIES_LOST = CounterDeclaration(
    "kuntur_journal_entries_lost",
    "Entries of the file in use when journal files were removed or replaced under the server",
    of=Of.JOURNAL,
)

JOURNAL_SIGNING = GaugeDeclaration(
    "kuntur_journal_signing",
    "1 while a process signs the journal's checkpoints, 0 while none does or may",
    of=Of.SIGNING,
)
JOURNAL_SIGNED_SEQUENCE = GaugeDeclaration(
    "kuntur_journal_signed_sequence", "Entry up to which the journal is signed", of=Of.SIGNING
)
JOURNAL_CHECKPOINT_AGE = GaugeDeclaration(
    "kuntur_journal_checkpoint_age_seconds",
    "Time since all entries that were on the disk were last known to be signed",
    of=Of.SIGNING,
)
JOURNAL_SIGNING_FAILURES = CounterDeclaration(
    "kuntur_journal_signing_failures",
    "What went wrong: the process refused to sign (refused), ended unasked (died), or had something to say, "
    "such as of a place that cannot be written or a witness that does not cosign (told)",
    ("reason",),
    of=Of.SIGNING,
)

TLS_CERTIFICATE_SECONDS_LEFT = GaugeDeclaration(
    "kuntur_tls_certificate_seconds_left",
    "Time until the first certificate of a file expires: the server's, or that of the callers' CAs",
    ("file",),
    of=Of.TLS,
)
TLS_FILES_USABLE = GaugeDeclaration(
    "kuntur_tls_files_usable",
    "1 while the files of certificates are those in force, 0 while they cannot be used and older ones stay",
    of=Of.TLS,
)
TLS_FILES_TAKEN = CounterDeclaration(
    "kuntur_tls_files_taken", "Times that changed files of certificates came into force", of=Of.TLS
)
TLS_FILES_REFUSED = CounterDeclaration(
    "kuntur_tls_files_refused", "Times that changed files of certificates could not be used", of=Of.TLS
)

ENTITIES = GaugeDeclaration("kuntur_entities", "Records of the history", ("kind",), of=Of.HISTORY)
ENTITIES_EVICTED = CounterDeclaration(
    "kuntur_entities_evicted", "Records that made room for others, the longest idle", ("kind",), of=Of.HISTORY
)
RECENT_TRANSACTIONS = GaugeDeclaration(
    "kuntur_recent_transactions", "Transactions known by id", of=Of.HISTORY
)
TRANSACTIONS_REPEATED = CounterDeclaration(
    "kuntur_transactions_repeated", "Transactions that came again", of=Of.HISTORY
)
TRANSACTIONS_LATE = CounterDeclaration(
    "kuntur_transactions_late", "Transactions older than their account's latest", of=Of.HISTORY
)
LATE_DROPPED = CounterDeclaration(
    "kuntur_late_dropped", "Window entries too late for their window", of=Of.HISTORY
)
OUTCOMES_LATE = CounterDeclaration(
    "kuntur_outcomes_late", "Outcomes too late for a label window", of=Of.HISTORY
)
HISTORY_DAMAGED = CounterDeclaration(
    "kuntur_history_damaged",
    "Records of the history found damaged and begun afresh, headers and indexes made anew",
    of=Of.HISTORY,
)
HISTORY_CHECKS = CounterDeclaration(
    "kuntur_history_checks", "Times that all of the history was looked through", of=Of.HISTORY
)

WORKERS_DIED = CounterDeclaration("kuntur_workers_died", "Workers that ended unasked", of=Of.SUPERVISOR)
WORKERS_SILENT = CounterDeclaration(
    "kuntur_workers_silent", "Workers ended because they gave no sign of life", of=Of.SUPERVISOR
)

CATALOGUE: tuple[Declaration, ...] = tuple(
    value for value in globals().values() if isinstance(value, Declaration)
)
"""All of them, in the order above."""
SHARED = frozenset(declared.name for declared in CATALOGUE if declared.of is Of.HISTORY)
"""Names of those that are the same for all workers."""
