"""The metrics of a journal's files, read when someone asks."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from server.journal.writer import JournalWriter
from server.telemetry import catalogue


class JournalMetrics(Collector):
    """Collects whether a journal is written, and what became of it."""

    def __init__(self, writer: JournalWriter) -> None:
        self._writer = writer

    def collect(self) -> Iterable[Metric]:
        """Yields the state as it stands."""
        writer = self._writer
        yield catalogue.JOURNAL_AVAILABLE.read(int(writer.unavailable is None))
        yield catalogue.JOURNAL_INTERRUPTIONS.read(writer.interruptions)
        yield catalogue.JOURNAL_ENTRIES_LOST.read(writer.entries_lost)
