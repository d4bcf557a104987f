"""The Python client of Kuntur: `Client`, its asyncio twin, and scorers that pack a stream."""

from __future__ import annotations

from clients.async_client import AsyncClient
from clients.async_packing import AsyncPackingScorer
from clients.client import Client
from clients.config import ClientConfig
from clients.errors import (
    AccessDenied,
    Cancelled,
    DeadlineExceeded,
    ErrorDetails,
    FrameSizeRefused,
    HistoryUnavailable,
    InvalidTransaction,
    JournalUnavailable,
    KunturError,
    ModelFault,
    ModelNotFound,
    NoLiveModel,
    NotFound,
    OutcomeConflict,
    Overloaded,
    ServerFault,
    ShuttingDown,
    StreamExpired,
    TransactionNotFound,
    Unavailable,
    Violation,
)
from clients.history import BackfillFailure, BackfillReport
from clients.models import Model, ModelRefusal, ModelState
from clients.outcomes import Outcome, OutcomeFailure, OutcomeLabel, OutcomeReport
from clients.packing import PackingScorer
from clients.scores import Decision, ItemError, Reason, ReasonsMode, Score

__all__ = [
    "AccessDenied",
    "AsyncClient",
    "AsyncPackingScorer",
    "BackfillFailure",
    "BackfillReport",
    "Cancelled",
    "Client",
    "ClientConfig",
    "DeadlineExceeded",
    "Decision",
    "ErrorDetails",
    "FrameSizeRefused",
    "HistoryUnavailable",
    "InvalidTransaction",
    "ItemError",
    "JournalUnavailable",
    "KunturError",
    "Model",
    "ModelFault",
    "ModelNotFound",
    "ModelRefusal",
    "ModelState",
    "NoLiveModel",
    "NotFound",
    "Outcome",
    "OutcomeConflict",
    "OutcomeFailure",
    "OutcomeLabel",
    "OutcomeReport",
    "Overloaded",
    "PackingScorer",
    "Reason",
    "ReasonsMode",
    "Score",
    "ServerFault",
    "ShuttingDown",
    "StreamExpired",
    "TransactionNotFound",
    "Unavailable",
    "Violation",
]
