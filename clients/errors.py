"""What can go wrong with a call, as exceptions, and the one table that a status is turned into them by.

The server's counterpart turns domain errors into statuses; the reasons are described in
`error_reason.proto`.
"""

# ruff: noqa: N818  (the names say what is the matter, as the reasons of the contract do)

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2

STATUS_DETAILS_KEY = "grpc-status-details-bin"
ERROR_DOMAIN = "kuntur"

_CODES: Mapping[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}


@dataclass(frozen=True, slots=True)
class Violation:
    """One field that breaks its rule: its path in the request, and the rule in a sentence."""

    field: str
    description: str


@dataclass(frozen=True, slots=True)
class ErrorDetails:
    """What a status says beside its message."""

    code: grpc.StatusCode
    """Status code of the call or of the item."""

    reason: str = ""
    """Name from `ErrorReason` without its prefix; empty when the error is not Kuntur's own."""

    metadata: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Facts beside the reason, as `error_reason.proto` lists them."""

    violations: tuple[Violation, ...] = ()
    """Every field that breaks its rule."""

    retry_after_seconds: float | None = None
    """How long the server asks to wait before another try; None when it does not say."""


class KunturError(Exception):
    """A call, or one item of it, failed. `details` has the code, the reason and its facts."""

    def __init__(self, message: str, details: ErrorDetails) -> None:
        super().__init__(message, details)
        self.message = message
        self.details = details

    def __str__(self) -> str:
        return self.message

    @property
    def reason(self) -> str:
        """Name of the reason, or of the status code when the server gave no reason."""
        return self.details.reason or self.details.code.name

    @property
    def retry_after_seconds(self) -> float | None:
        """How long the server asks to wait before another try; None when it does not say."""
        return self.details.retry_after_seconds


class InvalidTransaction(KunturError):
    """A field of a transaction, or of an outcome, breaks its rule; `violations` lists each."""

    @property
    def violations(self) -> tuple[Violation, ...]:
        """Every violation, in the order in which the server found them."""
        return self.details.violations


class FrameSizeRefused(KunturError):
    """A frame, or a report of outcomes, was empty or larger than the server takes."""

    @property
    def maximum(self) -> int | None:
        """Most transactions, or outcomes, that the server takes at a time; None when it does not say."""
        text = self.details.metadata.get("maximum", "")
        return int(text) if text.isdecimal() else None


class Unavailable(KunturError):
    """The server cannot be reached, or not for now. Worth another try."""


class NoLiveModel(Unavailable):
    """The server is up and has no model to score with yet."""


class ShuttingDown(Unavailable):
    """The server is shutting down; another, or the same one later, will answer."""


class HistoryUnavailable(Unavailable):
    """The history is not up to date yet, or cannot be used now; asked again, nothing is counted twice."""


class JournalUnavailable(Unavailable):
    """The server cannot write its journal for now; asked again, nothing is counted twice."""


class KeyPending(Unavailable):
    """The server is fetching the keys of the token's issuer; called again it knows them."""


class StreamExpired(Unavailable):
    """The stream reached its longest lifetime, or was idle when another needed its place.

    Open another and go on.
    """


class NotFound(KunturError):
    """What was asked for is not there."""


class TransactionNotFound(NotFound):
    """The server does not know the transaction, or no longer."""


class ModelNotFound(NotFound):
    """The registry holds no model of this version."""


class Overloaded(KunturError):
    """The server takes no more for now; `retry_after_seconds` says when to come back, if the server says it.

    A server under a flood may end a call unread, with CANCELLED and neither reason nor RetryInfo; that
    is Overloaded too, and `retry_after_seconds` is None: wait a time of your own that grows.
    """


class TransactionConflict(KunturError):
    """Another transaction of the institution had this id before, and stands: give each one of its own."""

    @property
    def fields(self) -> list[str]:
        """The fields in which the two differ; none when the server does not know."""
        return [name for name in self.details.metadata.get("fields", "").split(",") if name]


class OutcomeConflict(KunturError):
    """The outcome contradicts what is known of its transaction and cannot be applied."""


class DeadlineExceeded(KunturError):
    """No answer came within the timeout. The transaction may have been counted; asking again is safe."""


class Cancelled(KunturError):
    """The call was ended from this side before its answer came."""


class AccessDenied(KunturError):
    """The server does not let this caller do this."""


class Unauthenticated(AccessDenied):
    """The server does not know who calls: credentials are missing, or what was shown proves nothing to it."""


class TokenExpired(Unauthenticated):
    """The time of the bearer token is over: get another and call again. A stream can end with it, too."""


class PermissionDenied(AccessDenied):
    """The server knows who calls, and they may not do this."""

    @property
    def identity(self) -> str:
        """Who the server takes this caller for; empty when it does not say."""
        return self.details.metadata.get("identity", "")


class RoleMissing(PermissionDenied):
    """The method takes a role that this caller does not have."""

    @property
    def role(self) -> str:
        """The role that is missing."""
        return self.details.metadata.get("role", "")


class InstitutionForeign(PermissionDenied):
    """The transaction or outcome is of an institution that this caller does not act for."""

    @property
    def institution_id(self) -> str:
        """The institution."""
        return self.details.metadata.get("institution_id", "")


class UnusableCredentials(KunturError):
    """A file of certificate, key, authorities or token on this side cannot be used; nothing was sent."""


class ServerFault(KunturError):
    """A fault of the server, or an answer that breaks the contract."""

    @property
    def incident_id(self) -> str:
        """Where to look in the server's log; empty when the server gave none."""
        return self.details.metadata.get("incident_id", "")


class ModelFault(ServerFault):
    """The live model gave no valid score for the transaction; `details.metadata` names the model."""


BY_REASON: Mapping[str, type[KunturError]] = {
    "INVALID_FIELD": InvalidTransaction,
    "FRAME_SIZE": FrameSizeRefused,
    "NO_LIVE_MODEL": NoLiveModel,
    "TRANSACTION_NOT_FOUND": TransactionNotFound,
    "MODEL_NOT_FOUND": ModelNotFound,
    "OVERLOADED": Overloaded,
    "SHUTTING_DOWN": ShuttingDown,
    "HISTORY_UNAVAILABLE": HistoryUnavailable,
    "JOURNAL_UNAVAILABLE": JournalUnavailable,
    "STREAM_EXPIRED": StreamExpired,
    "DEADLINE_PASSED": DeadlineExceeded,
    "INTERNAL": ServerFault,
    "MODEL_VALUE_INVALID": ModelFault,
    "OUTCOME_CONFLICT": OutcomeConflict,
    "TRANSACTION_CONFLICT": TransactionConflict,
    "CREDENTIALS_MISSING": Unauthenticated,
    "CERTIFICATE_INVALID": Unauthenticated,
    "TOKEN_INVALID": Unauthenticated,
    "TOKEN_EXPIRED": TokenExpired,
    "TOKEN_NOT_YET_VALID": Unauthenticated,
    "TOKEN_ISSUER": Unauthenticated,
    "TOKEN_AUDIENCE": Unauthenticated,
    "KEY_UNKNOWN": Unauthenticated,
    "KEY_PENDING": KeyPending,
    "IDENTITY_UNKNOWN": PermissionDenied,
    "ROLE_MISSING": RoleMissing,
    "INSTITUTION_FOREIGN": InstitutionForeign,
}
"""By the reason of ErrorInfo. What has no reason, or one newer than this client, goes by its code."""

BY_CODE: Mapping[grpc.StatusCode, type[KunturError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidTransaction,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Overloaded,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    # This side's own end never comes as a status (see `error_from_rpc`): the server's gRPC ended it unread.
    grpc.StatusCode.CANCELLED: Overloaded,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
}


def error_from_status(status: status_pb2.Status) -> KunturError:
    """Turns the status of an item, or of a call, into the exception that stands for it."""
    info = error_details_pb2.ErrorInfo()
    bad_request = error_details_pb2.BadRequest()
    retry = error_details_pb2.RetryInfo()
    retry_after_seconds: float | None = None
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(bad_request)
        if detail.Unpack(retry):
            retry_after_seconds = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
    code = _CODES.get(status.code, grpc.StatusCode.UNKNOWN)
    reason = info.reason if info.domain == ERROR_DOMAIN else ""
    details = ErrorDetails(
        code=code,
        reason=reason,
        metadata=MappingProxyType(dict(info.metadata)),
        violations=tuple(Violation(each.field, each.description) for each in bad_request.field_violations),
        retry_after_seconds=retry_after_seconds,
    )
    return (BY_REASON.get(reason) or BY_CODE.get(code, ServerFault))(status.message, details)


def error_from_rpc(error: grpc.RpcError, *, ended_here: bool = False) -> KunturError:
    """Returns the exception that stands for a failed call.

    The details come from the trailing metadata; a failure that no server spoke to (no connection,
    a deadline) has none and goes by its code.

    Args:
        error: What gRPC raised; it has a code, a message and trailing metadata.
        ended_here: Whether this side ended the call or its channel, so that CANCELLED is its own.
    """
    code = _attribute(error, "code")
    message = _attribute(error, "details")
    status = status_pb2.Status()
    for key, value in _attribute(error, "trailing_metadata") or ():
        if key == STATUS_DETAILS_KEY:
            status.ParseFromString(value)
    if not isinstance(code, grpc.StatusCode):
        code = grpc.StatusCode.UNKNOWN
    if code is grpc.StatusCode.CANCELLED and ended_here:
        return cancelled(str(message or "The call was ended from this side."))
    # The status that gRPC itself reports rules: a retry or a proxy may have overwritten the server's.
    if status.code != code.value[0]:
        status = status_pb2.Status(code=code.value[0], message=str(message or code.name))
    return error_from_status(status)


def broken_contract(message: str) -> ServerFault:
    """Returns the error for an answer that no sound server gives."""
    return ServerFault(message, ErrorDetails(grpc.StatusCode.INTERNAL))


def stream_ended(message: str) -> Unavailable:
    """Returns the error for what a stream left unanswered when it ended in good order."""
    return Unavailable(message, ErrorDetails(grpc.StatusCode.UNAVAILABLE))


def unusable(message: str) -> UnusableCredentials:
    """Returns the error for a file of this side that cannot be used."""
    return UnusableCredentials(message, ErrorDetails(grpc.StatusCode.UNAUTHENTICATED))


def cancelled(message: str) -> Cancelled:
    """Returns the error for what was given up from this side."""
    return Cancelled(message, ErrorDetails(grpc.StatusCode.CANCELLED))


def _attribute(error: grpc.RpcError, name: str) -> Any:
    """Calls the accessor of that name; sync and asyncio errors share names and no base class."""
    accessor = getattr(error, name, None)
    return accessor() if callable(accessor) else None
