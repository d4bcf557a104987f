from __future__ import annotations

import ast
from pathlib import Path

import pytest
import structlog
from google.rpc import code_pb2, error_details_pb2

from kuntur.api.v1 import error_reason_pb2
from kuntur.validation.messages import Violation
from kuntur.wire import MalformedError
from server import errors
from server.rpc.error_table import ERRORS
from server.rpc.errors import CallStatus, ErrorTable, fitted
from tests.support.error_page import DocumentedReason, documented_reasons, render
from tests.support.serving import failure

ROOT = Path(__file__).parents[4]

TABLE = ErrorTable(2.5)
VIOLATIONS = [Violation("account_id", "is required"), Violation("amount_minor", "is above 1")]

CASES = [
    (
        errors.InvalidFieldsError(VIOLATIONS, "transaction."),
        code_pb2.INVALID_ARGUMENT,
        "INVALID_FIELD",
        {"violations": "2"},
    ),
    (MalformedError("no message"), code_pb2.INVALID_ARGUMENT, "INVALID_FIELD", {"violations": "1"}),
    (errors.FrameSizeError(0, 4096), code_pb2.INVALID_ARGUMENT, "FRAME_SIZE", {"maximum": "4096"}),
    (errors.ModelValueError("m-1"), code_pb2.INTERNAL, "MODEL_VALUE_INVALID", {"model_version": "m-1"}),
    (errors.NoLiveModelError(), code_pb2.UNAVAILABLE, "NO_LIVE_MODEL", {}),
    (
        errors.TransactionNotFoundError("t-1"),
        code_pb2.NOT_FOUND,
        "TRANSACTION_NOT_FOUND",
        {"transaction_id": "t-1"},
    ),
    (
        errors.TransactionConflictError("t-1", ["amount_minor", "merchant_id"]),
        code_pb2.ALREADY_EXISTS,
        "TRANSACTION_CONFLICT",
        {"transaction_id": "t-1", "fields": "amount_minor,merchant_id"},
    ),
    (errors.ModelNotFoundError("m-1"), code_pb2.NOT_FOUND, "MODEL_NOT_FOUND", {"model_version": "m-1"}),
    (
        errors.OverloadedError("streams", 64),
        code_pb2.RESOURCE_EXHAUSTED,
        "OVERLOADED",
        {"limit": "64", "resource": "streams", "scope": "server"},
    ),
    (errors.HistoryUnavailableError("is busy"), code_pb2.UNAVAILABLE, "HISTORY_UNAVAILABLE", {}),
    (errors.StartingError(), code_pb2.UNAVAILABLE, "HISTORY_UNAVAILABLE", {}),
    (errors.JournalUnavailableError(), code_pb2.UNAVAILABLE, "JOURNAL_UNAVAILABLE", {}),
    (errors.DeadlinePassedError(), code_pb2.DEADLINE_EXCEEDED, "DEADLINE_PASSED", {}),
    (errors.RequestTimeoutError(5.0), code_pb2.DEADLINE_EXCEEDED, "DEADLINE_PASSED", {}),
    (errors.StreamExpiredError(), code_pb2.UNAVAILABLE, "STREAM_EXPIRED", {}),
    (errors.StreamDisplacedError(), code_pb2.UNAVAILABLE, "STREAM_EXPIRED", {}),
    (errors.ShuttingDownError(), code_pb2.UNAVAILABLE, "SHUTTING_DOWN", {}),
    (
        errors.OutcomeConflictError("t-1"),
        code_pb2.FAILED_PRECONDITION,
        "OUTCOME_CONFLICT",
        {"transaction_id": "t-1"},
    ),
    (errors.CredentialsMissingError(), code_pb2.UNAUTHENTICATED, "CREDENTIALS_MISSING", {}),
    (errors.CertificateInvalidError(), code_pb2.UNAUTHENTICATED, "CERTIFICATE_INVALID", {}),
    (errors.TokenInvalidError("is no JWT"), code_pb2.UNAUTHENTICATED, "TOKEN_INVALID", {}),
    (errors.TokenExpiredError(), code_pb2.UNAUTHENTICATED, "TOKEN_EXPIRED", {}),
    (errors.TokenNotYetValidError(), code_pb2.UNAUTHENTICATED, "TOKEN_NOT_YET_VALID", {}),
    (errors.TokenIssuerError(), code_pb2.UNAUTHENTICATED, "TOKEN_ISSUER", {}),
    (errors.TokenAudienceError(), code_pb2.UNAUTHENTICATED, "TOKEN_AUDIENCE", {}),
    (errors.KeyUnknownError(), code_pb2.UNAUTHENTICATED, "KEY_UNKNOWN", {}),
    (errors.KeyPendingError(), code_pb2.UNAVAILABLE, "KEY_PENDING", {}),
    (
        errors.IdentityUnknownError("token:core"),
        code_pb2.PERMISSION_DENIED,
        "IDENTITY_UNKNOWN",
        {"identity": "token:core"},
    ),
    (
        errors.RoleMissingError("token:core", "backfill"),
        code_pb2.PERMISSION_DENIED,
        "ROLE_MISSING",
        {"identity": "token:core", "role": "backfill"},
    ),
    (
        errors.InstitutionForeignError("banco-andino"),
        code_pb2.PERMISSION_DENIED,
        "INSTITUTION_FOREIGN",
        {"institution_id": "banco-andino"},
    ),
    (errors.IncidentError("8a2c41d05e9b"), code_pb2.INTERNAL, "INTERNAL", {"incident_id": "8a2c41d05e9b"}),
]


@pytest.mark.parametrize(("error", "code", "reason", "metadata"), CASES, ids=[c[2] for c in CASES])
def test_each_error_has_its_code_its_reason_and_the_metadata_that_the_contract_promises(
    error: Exception, code: int, reason: str, metadata: dict[str, str]
) -> None:
    opened = failure(TABLE.status(error))
    assert (opened.code, opened.reason, opened.metadata) == (code, reason, metadata)
    assert opened.retried == (code in (code_pb2.UNAVAILABLE, code_pb2.RESOURCE_EXHAUSTED))


@pytest.mark.parametrize(
    ("error", "pushback"),
    [(errors.OverloadedError("calls", 64), "1500"), (errors.ModelNotFoundError("m"), None)],
)
def test_a_delay_is_told_as_the_retries_of_grpc_understand_it(error: Exception, pushback: str | None) -> None:
    trailers = dict(CallStatus(ErrorTable(1.5).status(error)).trailing_metadata)
    assert trailers.get("grpc-retry-pushback-ms") == pushback


def test_every_error_of_the_server_is_in_the_table() -> None:
    kinds = {*errors.ServerError.__subclasses__(), *errors.AccessDeniedError.__subclasses__()}
    assert set(ERRORS) == kinds - {errors.AccessDeniedError} | {MalformedError}
    assert {type(case[0]) for case in CASES} == set(ERRORS)


@pytest.mark.parametrize("reason", documented_reasons(), ids=lambda reason: reason.name)
def test_the_contract_says_of_each_reason_what_the_table_does(reason: DocumentedReason) -> None:
    rows = [(row, error) for error, *_ in CASES if (row := ERRORS[type(error)]).reason_name == reason.name]
    assert rows, "no error has it"
    for row, error in rows:
        assert code_pb2.Code.Name(row.code) == reason.code
        assert row.retried == reason.retried
        assert set(row.metadata(error)) == set(reason.metadata)


def test_every_reason_of_the_contract_is_documented() -> None:
    names = {f"ERROR_REASON_{reason.name}" for reason in documented_reasons()}
    assert names == set(error_reason_pb2.ErrorReason.keys()) - {"ERROR_REASON_UNSPECIFIED"}


def test_every_error_of_the_table_is_made_somewhere() -> None:
    made: set[str] = set()
    for path in (ROOT / "server").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            what = (
                node.func if isinstance(node, ast.Call) else node.exc if isinstance(node, ast.Raise) else None
            )
            if isinstance(what, ast.Name):
                made.add(what.id)
    assert {error.__name__ for error in ERRORS} <= made


def test_the_page_of_errors_is_that_of_the_contract_and_the_clients() -> None:
    assert (ROOT / "docs" / "errors.md").read_text(encoding="utf-8") == render()


def test_violations_carry_their_path_in_the_request() -> None:
    opened = failure(TABLE.status(errors.InvalidFieldsError(VIOLATIONS, "transactions[3].")))
    assert opened.fields == ["transactions[3].account_id", "transactions[3].amount_minor"]
    assert opened.message == "transactions[3].account_id is required (and 1 more)"


def test_a_request_that_is_no_message_is_one_violation_of_the_whole() -> None:
    assert failure(TABLE.status(MalformedError("no message"))).fields == [""]


def test_an_unknown_error_tells_an_incident_and_nothing_of_itself() -> None:
    with structlog.testing.capture_logs() as logs:
        opened = failure(TABLE.status(RuntimeError("password is hunter2")))
    assert (opened.code, opened.reason) == (code_pb2.INTERNAL, "INTERNAL")
    assert "hunter2" not in opened.message
    (event,) = logs
    assert event["incident_id"] == opened.metadata["incident_id"]
    assert isinstance(event["exc_info"], RuntimeError)


def test_incidents_have_ids_of_their_own() -> None:
    ids = {failure(TABLE.status(RuntimeError())).metadata["incident_id"] for _ in range(10)}
    assert len(ids) == 10


def test_a_status_too_large_for_trailers_keeps_its_first_violations_and_their_number() -> None:
    many = [Violation(f'attributes["{i}"]', "is no attribute name") for i in range(5000)]
    status = fitted(TABLE.status(errors.InvalidFieldsError(many)), 5120)
    opened = failure(status)
    assert 4900 < status.ByteSize() <= 5120
    assert len(opened.fields) < 5000
    assert opened.fields[0] == many[0].field
    assert opened.metadata == {"violations": "5000"}


def test_retry_delays_are_those_of_the_settings() -> None:
    status = TABLE.status(errors.ShuttingDownError())
    retry = error_details_pb2.RetryInfo()
    status.details[-1].Unpack(retry)
    assert retry.retry_delay.ToMilliseconds() == 2500
