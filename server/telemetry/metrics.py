"""What the server counts for its operators, in Prometheus' form.

Counts that the history keeps anyway are read when they are scraped; the hot path adds one observation and
at most three additions a frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from kuntur.bundle.bundle import RefusalReason
from kuntur.scores import Decision
from server.settings.sections import MetricsSettings
from server.state import HistoryCounts
from server.telemetry import catalogue
from server.telemetry.history import history_families
from server.telemetry.page import offer
from server.telemetry.tallies import Latencies, TalliedCounter, TalliedHistogram, Tally

DECISIONS = tuple(decision.name.lower() for decision in Decision)  # by number
METHODS = ("ScoreTransaction", "ScoreStream", "ReportOutcomes", "Backfill")
_BUCKETS_S = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)


@dataclass(frozen=True, eq=False)
class Readings(Collector):
    """What is kept elsewhere, and read whenever someone asks for the metrics."""

    history: Callable[[], HistoryCounts]
    calls_in_flight: Callable[[], int]
    streams_open: Callable[[], int]
    journal_queued: Callable[[], int]

    def collect(self) -> Iterable[Metric]:
        """Returns what is read just now."""
        yield from history_families(self.history())
        yield catalogue.CALLS_IN_FLIGHT.read(self.calls_in_flight())
        yield catalogue.STREAMS_OPEN.read(self.streams_open())
        yield catalogue.JOURNAL_QUEUED.read(self.journal_queued())


class ServerMetrics:
    """The server's metrics in a registry of their own, so that servers in one process do not mix."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self._scored = Tally(len(DECISIONS))
        registry.register(TalliedCounter(catalogue.TRANSACTIONS_SCORED, DECISIONS, self._scored))
        latencies = {method: Latencies(_BUCKETS_S) for method in METHODS}
        registry.register(TalliedHistogram(catalogue.REQUEST_SECONDS, latencies))
        self._latency = {method: each.observe for method, each in latencies.items()}
        self._replayed = catalogue.TRANSACTIONS_REPLAYED.kept(registry)
        self._reasoned = catalogue.TRANSACTIONS_REASONED.kept(registry)
        self._reasons = catalogue.REASONS_SECONDS.kept(registry, _BUCKETS_S)
        self._refused_items = catalogue.ITEMS_REFUSED.kept(registry)
        self._errors = catalogue.ERRORS.kept(registry).labels
        self._refused_calls = catalogue.CALLS_REFUSED.kept(registry)
        self._access_refused = catalogue.ACCESS_REFUSED.kept(registry).labels
        self._access_reloads = catalogue.ACCESS_RELOADS.kept(registry).labels
        self._tokens_checked = catalogue.TOKENS_CHECKED.kept(registry).inc
        self._transport = catalogue.RPC_TRANSPORT.kept(registry)
        self._holds: tuple[Callable[[], int], ...] = ()
        self._held = catalogue.RPC_HELD_BYTES.kept(registry)
        self._refusals = catalogue.BUNDLES_REFUSED.kept(registry)
        for reason in RefusalReason:
            self._refusals.labels(reason)
        self._signers_required = catalogue.BUNDLE_SIGNERS_REQUIRED.kept(registry)
        self._invalid_values = catalogue.MODEL_VALUES_INVALID.kept(registry)
        self._journal_set_aside = catalogue.JOURNAL_SET_ASIDE.kept(registry)
        self._reloads = catalogue.MODELS_GONE_LIVE.kept(registry)
        self._live = catalogue.LIVE_MODEL.kept(registry)

    def scored(self, decisions: npt.NDArray[np.int8]) -> None:
        """Counts scored transactions by decision, int8 [n]."""
        if len(decisions) == 1:
            self._scored.add(decisions[0])
            return
        for number, count in enumerate(np.bincount(decisions).tolist()):
            if count:
                self._scored.add(number, count)

    def replayed(self, count: int) -> None:
        """Counts transactions that got their first answer again."""
        if count:
            self._replayed.inc(count)

    def answered(self, method: str, seconds: float) -> None:
        """Counts a request that was answered, and the time it took."""
        self._latency[method](seconds)

    def reasoned(self, count: int, seconds: float) -> None:
        """Counts transactions of a request that got reasons, and the time that all of these took."""
        self._reasoned.inc(count)
        self._reasons.observe(seconds)

    def items_refused(self, count: int) -> None:
        """Counts transactions or outcomes that were refused within a request."""
        if count:
            self._refused_items.inc(count)

    def failed(self, reason: str) -> None:
        """Counts a call or stream that ended with an error."""
        self._errors(reason).inc()

    def transport(self, name: str) -> None:
        """Sets which transport serves."""
        self._transport.labels(name).set(1)

    def holds(self, requests: Callable[[], int], answers: Callable[[], int]) -> None:
        """Takes what returns the bytes that the transport holds, read whenever the metrics are scraped."""
        self._holds = (requests, answers)
        for kind, held in zip(("requests", "answers"), self._holds, strict=True):
            self._held.labels(kind).set_function(held)

    def held_bytes(self) -> int:
        """Returns how many bytes the transport holds, of requests and answers."""
        return sum(held() for held in self._holds)

    def refused(self, resource: str, reason: str) -> None:
        """Counts a call or stream that ended with an error before work on it began."""
        self._refused_calls.labels(resource, reason).inc()
        self._errors(reason).inc()

    def access_refused(self, reason: str, count: int = 1) -> None:
        """Counts what its sender may not send."""
        self._access_refused(reason).inc(count)

    def access_reloaded(self, what: str, taken: bool) -> None:
        """Counts that bindings or keys were read anew."""
        self._access_reloads(what, "taken" if taken else "refused").inc()

    def token_checked(self) -> None:
        """Counts a token that was not known."""
        self._tokens_checked()

    def bundle_refused(self, reason: RefusalReason) -> None:
        """Counts a refused bundle."""
        self._refusals.labels(reason).inc()

    def signers_required(self, count: int) -> None:
        """Tells how many signers a bundle must have; 0 where unsigned ones are trusted."""
        self._signers_required.set(count)

    def values_invalid(self, count: int) -> None:
        """Counts transactions for which the model returned no probability."""
        self._invalid_values.inc(count)

    def journal_set_aside(self, count: int) -> None:
        """Counts bytes at the end of the journal that were no entries and were set aside."""
        self._journal_set_aside.inc(count)

    def model_went_live(self, model_version: str) -> None:
        """Counts a model that went live, and names it."""
        self._reloads.inc()
        self._live.clear()
        self._live.labels(model_version).set(1)

    def watch(self, readings: Readings) -> None:
        """Takes what is read whenever the metrics are scraped."""
        self.registry.register(readings)

    def serve(self, settings: MetricsSettings) -> tuple[int, Callable[[], None]]:
        """Serves the metrics at `/metrics`; returns the port and what ends that. Raises OSError, TlsError."""
        return offer(self.registry, settings)
