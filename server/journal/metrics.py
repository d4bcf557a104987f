"""What operators watch of a journal, read when someone asks."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from server.journal.file import FileJournal


class JournalMetrics(Collector):
    """Collects whether a journal is written, and what became of it."""

    def __init__(self, journal: FileJournal) -> None:
        self._journal = journal

    def collect(self) -> Iterable[Metric]:
        """Yields the state as it stands."""
        journal = self._journal
        yield GaugeMetricFamily(
            "kuntur_journal_available",
            "1 while the journal is written, 0 while calls are refused because it cannot be",
            int(journal.unavailable is None),
        )
        yield CounterMetricFamily(
            "kuntur_journal_interruptions",
            "Times that the journal could not be written",
            journal.interruptions,
        )
        yield CounterMetricFamily(
            "kuntur_journal_entries_lost",
            "Entries of the file at hand when journal files were removed or replaced under the server",
            journal.entries_lost,
        )
