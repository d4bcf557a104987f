"""The one declaration of what an error is to a caller: its status code, its reason and its metadata.

The comments of `error_reason.proto` say the same to callers, and docs/errors.md is made from them; tests
(tests/unit/server/rpc/test_errors.py, tests/architecture/test_errors.py) compare them with this table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from google.rpc import code_pb2

from kuntur.api.v1 import error_reason_pb2 as reasons
from kuntur.wire import MalformedError
from server import errors

_MAX_NAME = 128
_MAX_FIELDS = 1024
_RETRIED = (code_pb2.UNAVAILABLE, code_pb2.RESOURCE_EXHAUSTED)


def _nothing(_: Any) -> Mapping[str, str]:
    return {}


def _transaction(
    error: errors.TransactionNotFoundError | errors.TransactionConflictError | errors.OutcomeConflictError,
) -> dict[str, str]:
    return {"transaction_id": error.transaction_id[:_MAX_NAME]}


def _model(error: errors.ModelNotFoundError | errors.ModelValueError) -> Mapping[str, str]:
    return {"model_version": error.model_version[:_MAX_NAME]}


class ErrorRow(NamedTuple):
    """What a caller is told of an error beside its message."""

    code: int
    """Number of the status code."""
    reason: int
    """Number of the `ErrorReason`."""
    metadata: Callable[[Any], Mapping[str, str]] = _nothing
    """Returns the metadata of an error, which the comment of its reason promises."""

    @property
    def reason_name(self) -> str:
        """The reason as ErrorInfo has it."""
        return reasons.ErrorReason.Name(self.reason).removeprefix("ERROR_REASON_")

    @property
    def retried(self) -> bool:
        """Whether RetryInfo tells the caller to try again, after `limits.retry_delay_s`."""
        return self.code in _RETRIED


ERRORS: Mapping[type[Exception], ErrorRow] = {
    errors.InvalidFieldsError: ErrorRow(
        code_pb2.INVALID_ARGUMENT,
        reasons.ERROR_REASON_INVALID_FIELD,
        lambda error: {"violations": str(len(error.violations))},
    ),
    MalformedError: ErrorRow(
        code_pb2.INVALID_ARGUMENT, reasons.ERROR_REASON_INVALID_FIELD, lambda _: {"violations": "1"}
    ),
    errors.FrameSizeError: ErrorRow(
        code_pb2.INVALID_ARGUMENT,
        reasons.ERROR_REASON_FRAME_SIZE,
        lambda error: {"maximum": str(error.maximum)},
    ),
    errors.NoLiveModelError: ErrorRow(code_pb2.UNAVAILABLE, reasons.ERROR_REASON_NO_LIVE_MODEL),
    errors.ModelNotFoundError: ErrorRow(code_pb2.NOT_FOUND, reasons.ERROR_REASON_MODEL_NOT_FOUND, _model),
    errors.ModelValueError: ErrorRow(code_pb2.INTERNAL, reasons.ERROR_REASON_MODEL_VALUE_INVALID, _model),
    errors.TransactionConflictError: ErrorRow(
        code_pb2.ALREADY_EXISTS,
        reasons.ERROR_REASON_TRANSACTION_CONFLICT,
        lambda error: _transaction(error) | {"fields": ",".join(error.fields)[:_MAX_FIELDS]},
    ),
    errors.TransactionNotFoundError: ErrorRow(
        code_pb2.NOT_FOUND, reasons.ERROR_REASON_TRANSACTION_NOT_FOUND, _transaction
    ),
    errors.OutcomeConflictError: ErrorRow(
        code_pb2.FAILED_PRECONDITION, reasons.ERROR_REASON_OUTCOME_CONFLICT, _transaction
    ),
    errors.OverloadedError: ErrorRow(
        code_pb2.RESOURCE_EXHAUSTED,
        reasons.ERROR_REASON_OVERLOADED,
        lambda error: {"limit": str(error.limit), "resource": error.resource, "scope": error.scope},
    ),
    errors.DeadlinePassedError: ErrorRow(code_pb2.DEADLINE_EXCEEDED, reasons.ERROR_REASON_DEADLINE_PASSED),
    errors.RequestTimeoutError: ErrorRow(code_pb2.DEADLINE_EXCEEDED, reasons.ERROR_REASON_DEADLINE_PASSED),
    errors.StreamDisplacedError: ErrorRow(code_pb2.UNAVAILABLE, reasons.ERROR_REASON_STREAM_EXPIRED),
    errors.StreamExpiredError: ErrorRow(code_pb2.UNAVAILABLE, reasons.ERROR_REASON_STREAM_EXPIRED),
    errors.HistoryUnavailableError: ErrorRow(code_pb2.UNAVAILABLE, reasons.ERROR_REASON_HISTORY_UNAVAILABLE),
    errors.StartingError: ErrorRow(code_pb2.UNAVAILABLE, reasons.ERROR_REASON_HISTORY_UNAVAILABLE),
    errors.JournalUnavailableError: ErrorRow(code_pb2.UNAVAILABLE, reasons.ERROR_REASON_JOURNAL_UNAVAILABLE),
    errors.ShuttingDownError: ErrorRow(code_pb2.UNAVAILABLE, reasons.ERROR_REASON_SHUTTING_DOWN),
    errors.CredentialsMissingError: ErrorRow(
        code_pb2.UNAUTHENTICATED, reasons.ERROR_REASON_CREDENTIALS_MISSING
    ),
    errors.CertificateInvalidError: ErrorRow(
        code_pb2.UNAUTHENTICATED, reasons.ERROR_REASON_CERTIFICATE_INVALID
    ),
    errors.TokenInvalidError: ErrorRow(code_pb2.UNAUTHENTICATED, reasons.ERROR_REASON_TOKEN_INVALID),
    errors.TokenExpiredError: ErrorRow(code_pb2.UNAUTHENTICATED, reasons.ERROR_REASON_TOKEN_EXPIRED),
    errors.TokenNotYetValidError: ErrorRow(
        code_pb2.UNAUTHENTICATED, reasons.ERROR_REASON_TOKEN_NOT_YET_VALID
    ),
    errors.TokenIssuerError: ErrorRow(code_pb2.UNAUTHENTICATED, reasons.ERROR_REASON_TOKEN_ISSUER),
    errors.TokenAudienceError: ErrorRow(code_pb2.UNAUTHENTICATED, reasons.ERROR_REASON_TOKEN_AUDIENCE),
    errors.KeyUnknownError: ErrorRow(code_pb2.UNAUTHENTICATED, reasons.ERROR_REASON_KEY_UNKNOWN),
    errors.KeyPendingError: ErrorRow(code_pb2.UNAVAILABLE, reasons.ERROR_REASON_KEY_PENDING),
    errors.IdentityUnknownError: ErrorRow(
        code_pb2.PERMISSION_DENIED,
        reasons.ERROR_REASON_IDENTITY_UNKNOWN,
        lambda error: {"identity": error.identity},
    ),
    errors.RoleMissingError: ErrorRow(
        code_pb2.PERMISSION_DENIED,
        reasons.ERROR_REASON_ROLE_MISSING,
        lambda error: {"identity": error.identity, "role": error.role},
    ),
    errors.InstitutionForeignError: ErrorRow(
        code_pb2.PERMISSION_DENIED,
        reasons.ERROR_REASON_INSTITUTION_FOREIGN,
        lambda error: {"institution_id": error.institution_id[:_MAX_NAME]},
    ),
    errors.IncidentError: ErrorRow(
        code_pb2.INTERNAL,
        reasons.ERROR_REASON_INTERNAL,
        lambda error: {"incident_id": error.incident_id},
    ),
}
"""By the class of the error, its own and not one that it inherits from. Any other error is an incident."""
