"""What a history holds, and what it has received, in Prometheus' form."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.core import Metric

from server.state import HistoryCounts
from server.telemetry import catalogue


def history_families(counts: HistoryCounts) -> Iterable[Metric]:
    """Yields the families of one history, the same for all processes that share it."""
    entities, evicted = catalogue.ENTITIES.read(), catalogue.ENTITIES_EVICTED.read()
    for kind, count in counts.entities.items():
        entities.add_metric([kind], count)
    for kind, count in counts.evicted.items():
        evicted.add_metric([kind], count)
    yield entities
    yield evicted
    yield catalogue.RECENT_TRANSACTIONS.read(counts.recent_transactions)
    yield catalogue.TRANSACTIONS_REPEATED.read(counts.repeated)
    yield catalogue.TRANSACTIONS_LATE.read(counts.late)
    yield catalogue.LATE_DROPPED.read(counts.late_dropped)
    yield catalogue.OUTCOMES_LATE.read(counts.outcomes_late)
    yield catalogue.HISTORY_DAMAGED.read(counts.damaged)
    yield catalogue.HISTORY_CHECKS.read(counts.checks)
