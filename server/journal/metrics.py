"""The metrics of a journal, read when someone asks."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from server.journal.file import FileJournal
from server.telemetry import catalogue


class JournalMetrics(Collector):
    """Collects whether a journal is written, and what became of it."""

    def __init__(self, journal: FileJournal) -> None:
        self._journal = journal

    def collect(self) -> Iterable[Metric]:
        """Yields the state as it stands."""
        journal = self._journal
        yield catalogue.JOURNAL_AVAILABLE.read(int(journal.unavailable is None))
        yield catalogue.JOURNAL_INTERRUPTIONS.read(journal.interruptions)
        yield catalogue.JOURNAL_ENTRIES_LOST.read(journal.entries_lost)
