"""The metrics of all workers on one page, each worker's apart.

A worker's counters begin at 0 when it is restarted. With a label of its own Prometheus sees that as the
restart that it is, and `sum(rate(…))` stays right; a sum made here would seem to fall.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from server.telemetry.catalogue import SHARED
from server.telemetry.page import offer


class WorkerMetrics(Collector):
    """Collects the workers' metrics: those of the history, which all share, once; the rest by `worker`."""

    def __init__(self, ask: Callable[[], dict[int, str]]) -> None:
        """Takes what returns the metrics of each running worker, in Prometheus' form."""
        self._ask = ask

    def collect(self) -> Iterable[Metric]:
        """Returns the families of all workers, merged by name."""
        families: dict[str, Metric] = {}
        shared_from: int | None = None
        for number, text in self._ask().items():
            shared_from = number if shared_from is None else shared_from
            for family in text_string_to_metric_families(text):
                shared = family.name in SHARED
                if shared and number != shared_from:
                    continue
                merged = families.setdefault(
                    family.name, Metric(family.name, family.documentation, family.type)
                )
                own = {} if shared else {"worker": str(number)}
                for sample in family.samples:
                    merged.add_sample(sample.name, {**sample.labels, **own}, sample.value)
        return families.values()


def serve_worker_metrics(
    host: str, port: int, ask: Callable[[], dict[int, str]], registry: CollectorRegistry | None = None
) -> Callable[[], None]:
    """Serves them over HTTP at `/metrics`, beside those of `registry`, and returns what ends that.

    Raises OSError.
    """
    registry = registry or CollectorRegistry(auto_describe=False)
    registry.register(WorkerMetrics(ask))
    return offer(registry, host, port)[1]
