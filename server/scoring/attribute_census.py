"""Counts attributes that the live model does not know, and those that it takes and that are missing.

A mistyped name would otherwise be dropped silently, and the model would score without the value.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt
import structlog
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from server.telemetry.catalogue import ATTRIBUTES_MISMATCHED

UNKNOWN, MISSING = "unknown", "missing"
OTHER = "(other)"  # no attribute may have this name
_MOST_NAMES = 64  # of each kind; callers make up names, so their number has to be bounded
_LOG = structlog.get_logger(__name__)


class AttributeCensus(Collector):
    """Counts transactions by attribute and by what is wrong with it. Safe for threads."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {UNKNOWN: Counter(), MISSING: Counter()}
        self._lock = threading.Lock()

    def count(
        self,
        wanted: frozenset[str],
        attributes: Mapping[str, npt.NDArray[np.float64]],
        rows: int,
        model_version: str,
    ) -> None:
        """Counts a frame.

        wanted: names that the model takes; attributes: by name, float64 [rows], NaN where a row has none.
        """
        for name, values in attributes.items():
            # A lone transaction has a value for each name: only in a frame may rows lack some.
            given = 1 if rows == 1 else rows - int(np.isnan(values).sum())
            if name not in wanted:
                self._add(UNKNOWN, name, given, model_version)
            elif given < rows:
                self._add(MISSING, name, rows - given, model_version)
        if attributes.keys() >= wanted:
            return
        for name in wanted - attributes.keys():
            self._add(MISSING, name, rows, model_version)

    def collect(self) -> Iterable[Metric]:
        """Yields the counts as they stand."""
        family = ATTRIBUTES_MISMATCHED.read()
        with self._lock:
            found = [(kind, *item) for kind, counts in self._counts.items() for item in counts.items()]
        for kind, name, count in found:
            family.add_metric([kind, name], count)
        yield family

    def _add(self, kind: str, name: str, count: int, model_version: str) -> None:
        if not count:
            return
        with self._lock:
            counts = self._counts[kind]
            new = name not in counts and len(counts) < _MOST_NAMES
            counts[name if new or name in counts else OTHER] += count
        if new:
            told = "transactions have an attribute that the model does not know"
            if kind == MISSING:
                told = "transactions lack an attribute that the model takes"
            _LOG.warning(told, attribute=name, model_version=model_version)
