from __future__ import annotations

import urllib.request

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from server.settings.sections import MetricsSettings
from server.state import HistoryCounts
from server.telemetry.history import history_families
from server.workers.metrics import WorkerMetrics, serve_worker_metrics


class _History(Collector):
    def collect(self):  # type: ignore[no-untyped-def]
        return history_families(HistoryCounts({"account": 5}, {"account": 1}, 7, 0, 0, 0, 0))


def _worker(scored: int) -> str:
    registry = CollectorRegistry()
    registry.register(_History())
    Counter("kuntur_transactions_scored", "Transactions scored", ["decision"], registry=registry).labels(
        "review"
    ).inc(scored)
    Histogram("kuntur_request_seconds", "Time", buckets=(0.5,), registry=registry).observe(scored)
    return generate_latest(registry).decode()


def _samples(workers: dict[int, str]) -> dict[tuple[str, str | None], float]:
    registry = CollectorRegistry()
    registry.register(WorkerMetrics(lambda: workers))
    return {
        (sample.name, sample.labels.get("worker")): sample.value
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for sample in family.samples
    }


def test_what_workers_count_stands_apart_and_what_they_share_stands_once() -> None:
    found = _samples({0: _worker(2), 1: _worker(3)})
    assert found["kuntur_transactions_scored_total", "0"] == 2
    assert found["kuntur_transactions_scored_total", "1"] == 3
    assert found["kuntur_request_seconds_sum", "1"] == 3
    assert found["kuntur_entities", None] == 5
    assert found["kuntur_entities_evicted_total", None] == 1
    assert not [name for name, worker in found if name.startswith("kuntur_entities") and worker is not None]


@pytest.mark.parametrize("missing", [0, 1])
def test_a_worker_that_does_not_answer_leaves_the_history_to_the_others(missing: int) -> None:
    found = _samples({1 - missing: _worker(2)})
    assert found["kuntur_recent_transactions", None] == 7
    assert ("kuntur_transactions_scored_total", str(missing)) not in found


def test_they_are_read_over_http() -> None:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    close = serve_worker_metrics(MetricsSettings(port=port), lambda: {4: _worker(1)})
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as page:
            assert 'worker="4"' in page.read().decode()
    finally:
        close()
