"""Turns errors into google.rpc.Status, and statuses into what gRPC ends calls with.

Which error has which code, reason and metadata is declared in `server.rpc.error_table`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2

from kuntur.validation.messages import Violation
from kuntur.wire import MalformedError
from server.errors import IncidentError, InvalidFieldsError
from server.rpc.error_table import ERRORS
from server.telemetry.incidents import IncidentLog

DOMAIN = "kuntur"
DETAILS_KEY = "grpc-status-details-bin"
PUSHBACK_KEY = "grpc-retry-pushback-ms"
_CODES = {code.value[0]: code for code in grpc.StatusCode}
_MAX_TRAILER_BYTES = 5120  # clients begin to drop answers with more than 8 KiB of trailers, base64 included


class ErrorTable:
    """Turns errors into statuses. Safe for threads."""

    def __init__(self, retry_delay_s: float) -> None:
        """Takes the time after which a caller should try again when that may help."""
        self._retry_delay = duration_pb2.Duration()
        self._retry_delay.FromNanoseconds(round(retry_delay_s * 1e9))
        self._incidents = IncidentLog()

    def status(self, error: Exception) -> status_pb2.Status:
        """Returns the status of an error; one that is not in the table is logged as an incident."""
        row = ERRORS.get(type(error))
        if row is None:
            return self.status(IncidentError(self._incidents.tell(error)))
        details: list[Any] = [_error_info(row.reason_name, row.metadata(error))]
        violations = _violations(error)
        if violations:
            details.append(_bad_request(violations))
        if row.retried:
            details.append(error_details_pb2.RetryInfo(retry_delay=self._retry_delay))
        return _status(row.code, str(error), details)


def reason_of(status: status_pb2.Status) -> str:
    """Returns the reason in a status's ErrorInfo, which is its first detail."""
    info = error_details_pb2.ErrorInfo()
    status.details[0].Unpack(info)
    return str(info.reason)


class CallStatus(grpc.Status):
    """A status in the form in which gRPC ends calls, made once for any number of calls."""

    def __init__(self, status: status_pb2.Status) -> None:
        self.code = _CODES[status.code]
        self.details = status.message
        self.raw_details = status.message.encode()
        details = (DETAILS_KEY, fitted(status, _MAX_TRAILER_BYTES).SerializeToString())
        self.trailing_metadata: tuple[tuple[str, str | bytes], ...] = (details,)
        retry = error_details_pb2.RetryInfo()
        if any(detail.Unpack(retry) for detail in status.details):
            # Once more, as gRPC's own retries understand it in every language.
            self.trailing_metadata += ((PUSHBACK_KEY, str(retry.retry_delay.ToMilliseconds())),)


def abort(context: grpc.ServicerContext, status: CallStatus) -> NoReturn:
    """Ends a call with a status and its details. Raises what gRPC ends calls with."""
    context.abort_with_status(status)
    raise AssertionError  # abort_with_status never returns


def fitted(status: status_pb2.Status, max_bytes: int) -> status_pb2.Status:
    """Returns a status with as many of its violations as fit; its metadata still tells how many there are."""
    excess = status.ByteSize() - max_bytes
    if excess <= 0:
        return status
    shorter = status_pb2.Status(code=status.code, message=status.message)
    for detail in status.details:
        request = error_details_pb2.BadRequest()
        if detail.Unpack(request):
            while excess > 0 and request.field_violations:
                size = request.field_violations[-1].ByteSize()
                excess -= size + (2 if size < 128 else 3)  # with its tag and length
                del request.field_violations[-1]
            detail.Pack(request)
        shorter.details.append(detail)
    return shorter


def _violations(error: Exception) -> Sequence[Violation]:
    if isinstance(error, InvalidFieldsError):
        return error.violations
    if isinstance(error, MalformedError):
        return [Violation("", str(error))]  # the request as a whole
    return []


def _error_info(reason: str, metadata: Mapping[str, str]) -> error_details_pb2.ErrorInfo:
    return error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=metadata)


def _bad_request(violations: Sequence[Violation]) -> error_details_pb2.BadRequest:
    return error_details_pb2.BadRequest(
        field_violations=[
            error_details_pb2.BadRequest.FieldViolation(field=v.field, description=v.description)
            for v in violations
        ]
    )


def _status(code: int, message: str, details: Sequence[Any]) -> status_pb2.Status:
    status = status_pb2.Status(code=code, message=message)
    for detail in details:
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    return status
