"""The journal of what was asked and answered."""

from server.journal.file import FileJournal
from server.journal.journal import ExchangeKind, Journal, NullJournal
from server.journal.metrics import JournalMetrics

__all__ = ["ExchangeKind", "FileJournal", "Journal", "JournalMetrics", "NullJournal"]
