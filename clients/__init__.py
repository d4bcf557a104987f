"""The Python client of Kuntur: `Client`, its asyncio twin, and scorers that pack a stream."""

from __future__ import annotations

from clients.aio.client import AsyncClient
from clients.aio.packing import AsyncPackingScorer
from clients.config import ClientConfig
from clients.errors import (
    AccessDenied,
    Cancelled,
    DeadlineExceeded,
    ErrorDetails,
    FrameSizeRefused,
    HistoryUnavailable,
    InstitutionForeign,
    InvalidTransaction,
    JournalUnavailable,
    KeyPending,
    KunturError,
    ModelFault,
    ModelNotFound,
    NoLiveModel,
    NotFound,
    OutcomeConflict,
    Overloaded,
    PermissionDenied,
    RoleMissing,
    ServerFault,
    ShuttingDown,
    StreamExpired,
    TokenExpired,
    TransactionConflict,
    TransactionNotFound,
    Unauthenticated,
    Unavailable,
    UnusableCredentials,
    Violation,
)
from clients.sync.client import Client
from clients.sync.packing import PackingScorer
from clients.values.history import BackfillFailure, BackfillReport
from clients.values.models import Model, ModelRefusal, ModelState
from clients.values.outcomes import Outcome, OutcomeFailure, OutcomeReport
from clients.values.scores import ItemError, Reason, Score
from kuntur.scores import Decision, ReasonsMode
from kuntur.transaction import OutcomeLabel

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
    "InstitutionForeign",
    "InvalidTransaction",
    "ItemError",
    "JournalUnavailable",
    "KeyPending",
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
    "PermissionDenied",
    "Reason",
    "ReasonsMode",
    "RoleMissing",
    "Score",
    "ServerFault",
    "ShuttingDown",
    "StreamExpired",
    "TokenExpired",
    "TransactionConflict",
    "TransactionNotFound",
    "Unauthenticated",
    "Unavailable",
    "UnusableCredentials",
    "Violation",
]
