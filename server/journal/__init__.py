"""The journal as the server writes it: a queue, a thread that writes, and what is not on the disk yet."""

from server.journal.file import FileJournal
from server.journal.journal import ExchangeKind, Journal, NullJournal
from server.journal.metrics import JournalMetrics

__all__ = ["ExchangeKind", "FileJournal", "Journal", "JournalMetrics", "NullJournal"]
