"""Counts of the hot path, handed to Prometheus when it scrapes.

prometheus_client's own histogram walks its bounds in Python and takes two locks for each observation; here it
is one lock and one search. The time and the decision of a call take 0.9 µs together instead of 1.8,
which is 3 % of a call that is answered together with others.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterable, Sequence

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from server.telemetry.catalogue import CounterDeclaration, HistogramDeclaration


class Tally:
    """Counts by number. Safe for threads."""

    def __init__(self, size: int) -> None:
        """Takes how many numbers there are, from 0 on."""
        self.counts = [0] * size
        self._lock = threading.Lock()

    def add(self, number: int, count: int = 1) -> None:
        """Adds to one of them."""
        with self._lock:
            self.counts[number] += count


class Latencies:
    """A histogram of seconds. Safe for threads."""

    def __init__(self, bounds_s: Sequence[float]) -> None:
        """Takes the upper bounds of the buckets, ascending; beyond the last there is one more."""
        self._bounds_s = tuple(bounds_s)
        self._counts = [0] * (len(bounds_s) + 1)
        self._sum_s = 0.0
        self._lock = threading.Lock()

    def observe(self, seconds: float) -> None:
        """Counts one."""
        bucket = bisect_left(self._bounds_s, seconds)
        with self._lock:
            self._counts[bucket] += 1
            self._sum_s += seconds

    def read(self) -> tuple[list[tuple[str, float]], float]:
        """Returns Prometheus' buckets, with how many values are at most each bound, and the sum of all."""
        with self._lock:
            counts, total_s = list(self._counts), self._sum_s
        buckets, so_far = [], 0
        for bound, count in zip((*map(str, self._bounds_s), "+Inf"), counts, strict=True):
            so_far += count
            buckets.append((bound, float(so_far)))
        return buckets, total_s


class TalliedCounter(Collector):
    """A counter with one label, over a tally whose numbers have names."""

    def __init__(self, declared: CounterDeclaration, names: Sequence[str], tally: Tally) -> None:
        self._declared, self._names, self._tally = declared, names, tally

    def collect(self) -> Iterable[Metric]:
        """Yields its current value."""
        family = self._declared.read()
        for name, count in zip(self._names, self._tally.counts, strict=True):
            family.add_metric([name], count)
        yield family


class TalliedHistogram(Collector):
    """A histogram with one label, over latencies by its values."""

    def __init__(self, declared: HistogramDeclaration, latencies: dict[str, Latencies]) -> None:
        self._declared, self._latencies = declared, latencies

    def collect(self) -> Iterable[Metric]:
        """Yields its current value."""
        family = self._declared.read()
        for value, latencies in self._latencies.items():
            buckets, total_s = latencies.read()
            family.add_metric([value], buckets, total_s)
        yield family
