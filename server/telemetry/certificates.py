"""The metrics of the port's certificates, read when someone asks."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from server.telemetry import catalogue
from server.tls.watch import CertificateWatch


class CertificateMetrics(Collector):
    """Collects when certificates expire, and what became of their files."""

    def __init__(self, watch: CertificateWatch) -> None:
        self._watch = watch

    def collect(self) -> Iterable[Metric]:
        """Yields the state as it stands."""
        now, material = datetime.now(UTC), self._watch.material
        left = catalogue.TLS_CERTIFICATE_SECONDS_LEFT.read()
        left.add_metric(["server"], (material.expires - now).total_seconds())
        if material.client_ca_expires is not None:
            left.add_metric(["client_ca"], (material.client_ca_expires - now).total_seconds())
        yield left
        yield catalogue.TLS_FILES_USABLE.read(int(self._watch.usable))
        yield catalogue.TLS_FILES_TAKEN.read(self._watch.taken)
        yield catalogue.TLS_FILES_REFUSED.read(self._watch.refused)
