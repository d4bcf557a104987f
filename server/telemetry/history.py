"""What a history holds and what came to it, in Prometheus' form."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from server.state import HistoryCounts


def history_families(counts: HistoryCounts) -> Iterable[Metric]:
    """Yields the families of one history, which processes that share it all tell alike."""
    entities = GaugeMetricFamily("kuntur_entities", "Records of the history", labels=["kind"])
    for kind, count in counts.entities.items():
        entities.add_metric([kind], count)
    yield entities
    evicted = CounterMetricFamily(
        "kuntur_entities_evicted", "Records that made room for others, the longest idle", labels=["kind"]
    )
    for kind, count in counts.evicted.items():
        evicted.add_metric([kind], count)
    yield evicted
    yield GaugeMetricFamily(
        "kuntur_recent_transactions", "Transactions known by id", counts.recent_transactions
    )
    yield CounterMetricFamily("kuntur_transactions_repeated", "Transactions that came again", counts.repeated)
    yield CounterMetricFamily(
        "kuntur_transactions_late", "Transactions older than their account's latest", counts.late
    )
    yield CounterMetricFamily(
        "kuntur_late_dropped", "Window entries too late for their window", counts.late_dropped
    )
    yield CounterMetricFamily(
        "kuntur_outcomes_late", "Outcomes too late for a label window", counts.outcomes_late
    )
    yield CounterMetricFamily(
        "kuntur_history_damaged",
        "Records of the history found damaged and begun afresh, headers and indexes made anew",
        counts.damaged,
    )
    yield CounterMetricFamily(
        "kuntur_history_checks", "Times that all of the history was looked through", counts.checks
    )


SHARED_METRICS = frozenset(family.name for family in history_families(HistoryCounts({}, {}, 0, 0, 0, 0, 0)))
"""Names of those families."""
