"""The journal as the server writes it: a buffer that its processes share, and one writer behind it."""

from server.journal.buffer import Buffer, JournalBufferError
from server.journal.journal import Journal, MemoryJournal
from server.journal.shared import SharedJournal
from server.journal.writer import JournalWriter

__all__ = [
    "Buffer",
    "Journal",
    "JournalBufferError",
    "JournalWriter",
    "MemoryJournal",
    "SharedJournal",
]
