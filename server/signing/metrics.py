"""The metrics of signing, read when someone asks."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from server.signing.keeper import SigningKeeper
from server.telemetry import catalogue


class SigningMetrics(Collector):
    """Collects how far the journal is signed, and what went wrong."""

    def __init__(self, signing: SigningKeeper) -> None:
        self._signing = signing

    def collect(self) -> Iterable[Metric]:
        """Yields the state as it stands."""
        signing = self._signing
        yield catalogue.JOURNAL_SIGNING.read(int(signing.signing))
        yield catalogue.JOURNAL_SIGNED_SEQUENCE.read(signing.size)
        yield catalogue.JOURNAL_CHECKPOINT_AGE.read(signing.age_s)
        failures = catalogue.JOURNAL_SIGNING_FAILURES.read()
        for reason, count in signing.failures.items():
            failures.add_metric([reason], count)
        yield failures
