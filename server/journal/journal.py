"""What the server asks of its journal. How durable an entry is when `append` returns is left to others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import Enum


class ExchangeKind(Enum):
    """What an exchange was; the values are the fields of the journal's Entry."""

    SCORE_TRANSACTION = "score_transaction"
    SCORE_STREAM = "score_stream"
    REPORT_OUTCOMES = "report_outcomes"
    BACKFILL = "backfill"


class Journal(ABC):
    """Takes every exchange that changed the history or was answered with a score. Safe for threads."""

    unavailable: str | None = None
    """Why nothing can be written for now, None while it can. Looked at before anything is counted."""
    set_aside_bytes = 0
    """Bytes of a torn tail that opening set aside."""

    @abstractmethod
    def append(self, kind: ExchangeKind, request: bytes, response: bytes) -> None:
        """Takes one exchange, in the bytes that went over the wire, before its answer leaves.

        Waits while the journal is behind, but not while it is unavailable: what has been counted by then is
        taken, and written later.
        """

    @abstractmethod
    def close(self) -> None:
        """Writes everything that was taken, and ends. A second call does nothing."""

    @property
    @abstractmethod
    def queued(self) -> int:
        """Entries taken and not yet written."""

    @property
    @abstractmethod
    def behind(self) -> bool:
        """Whether the next entry may have to wait."""


class NullJournal(Journal):
    """Keeps nothing: for servers whose decisions nobody has to answer for."""

    def append(self, kind: ExchangeKind, request: bytes, response: bytes) -> None:
        """Takes one exchange and forgets it."""

    def close(self) -> None:
        """Does nothing."""

    @property
    def queued(self) -> int:
        """Always 0."""
        return 0

    @property
    def behind(self) -> bool:
        """Never."""
        return False
