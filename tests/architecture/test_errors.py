"""What the protos say of errors is what the server's table of errors does, and what the client's undoes."""

from __future__ import annotations

import re
from collections.abc import Iterator

import grpc
import pytest
from google.rpc import error_details_pb2

from clients.errors import BY_REASON
from kuntur.api.v1 import error_reason_pb2
from kuntur.validation.messages import Violation
from kuntur.wire import MalformedError
from server import errors
from server.rpc.errors import ErrorTable, reason_of
from tests.architecture.statements.reading import ROOT

_PROTOS = ROOT / "protos" / "kuntur" / "api" / "v1"
_CODES = {code.value[0]: code.name for code in grpc.StatusCode}
_EXAMPLES: tuple[Exception, ...] = (
    errors.InvalidFieldsError([Violation("account_id", "is required")]),
    MalformedError("the request is no message"),
    errors.FrameSizeError(0, 4096),
    errors.NoLiveModelError(),
    errors.ModelValueError("m-1"),
    errors.TransactionNotFoundError("t-1"),
    errors.TransactionConflictError("t-1", ["amount_minor", "merchant_id"]),
    errors.OutcomeConflictError("t-1"),
    errors.ModelNotFoundError("m-1"),
    errors.OverloadedError("streams", 512),
    errors.DeadlinePassedError(),
    errors.StreamExpiredError(),
    errors.StreamDisplacedError(),
    errors.RequestTimeoutError(5.0),
    errors.HistoryUnavailableError("cannot be reached"),
    errors.StartingError(),
    errors.JournalUnavailableError(),
    errors.ShuttingDownError(),
    errors.CredentialsMissingError(),
    errors.CertificateInvalidError(),
    errors.TokenInvalidError("is no JWT"),
    errors.TokenExpiredError(),
    errors.TokenNotYetValidError(),
    errors.TokenIssuerError(),
    errors.TokenAudienceError(),
    errors.KeyUnknownError(),
    errors.KeyPendingError(),
    errors.IdentityUnknownError("token:core-banking"),
    errors.RoleMissingError("token:core-banking", "backfill"),
    errors.InstitutionForeignError("banco-andino"),
    errors.IncidentError("i-1"),
    RuntimeError("a fault"),
)
_NAMES = [
    value.name.removeprefix("ERROR_REASON_") for value in error_reason_pb2.ErrorReason.DESCRIPTOR.values
]
_REASONS = [name for name in _NAMES if name != "UNSPECIFIED"]
_EVERY_CALL = {"INVALID_FIELD", "OVERLOADED", "INTERNAL"}
_COUNTED = _EVERY_CALL | {"HISTORY_UNAVAILABLE", "JOURNAL_UNAVAILABLE", "SHUTTING_DOWN"}
# What a method may end with, or say of an item. The streams of scores have no deadline of the server's.
_METHODS = {
    ("scoring_service", "ScoreTransaction"): _COUNTED
    | {
        "NO_LIVE_MODEL",
        "DEADLINE_PASSED",
        "MODEL_VALUE_INVALID",
        "INSTITUTION_FOREIGN",
        "TRANSACTION_CONFLICT",
    },
    ("scoring_service", "ScoreStream"): _COUNTED
    | {
        "NO_LIVE_MODEL",
        "FRAME_SIZE",
        "STREAM_EXPIRED",
        "MODEL_VALUE_INVALID",
        "INSTITUTION_FOREIGN",
        "TRANSACTION_CONFLICT",
    },
    ("history_service", "Backfill"): _COUNTED
    | {"FRAME_SIZE", "STREAM_EXPIRED", "DEADLINE_PASSED", "INSTITUTION_FOREIGN"},
    ("outcome_service", "ReportOutcomes"): _COUNTED | {"FRAME_SIZE", "DEADLINE_PASSED"},
    ("model_service", "GetModel"): {"MODEL_NOT_FOUND"},
    ("model_service", "GetLiveModel"): {"NO_LIVE_MODEL"},
}


def _told() -> dict[str, tuple[str, bool, set[str]]]:
    """Returns by reason: the code, whether it comes with RetryInfo, and the keys of its metadata."""
    table, found = ErrorTable(1.0), {}
    for error in _EXAMPLES:
        status, info = table.status(error), error_details_pb2.ErrorInfo()
        status.details[0].Unpack(info)
        retried = any(detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR) for detail in status.details)
        found[reason_of(status)] = (_CODES[status.code], retried, set(info.metadata))
    return found


def _comment(proto: str, element: str) -> str:
    """Returns the comment in front of an element, on one line."""
    text = (_PROTOS / f"{proto}.proto").read_text(encoding="utf-8")
    found = re.search(rf"((?:^ *//[^\n]*\n)+) *{element}", text, re.MULTILINE)
    assert found, f"{proto}.proto has no commented {element!r}"
    return " ".join(line.strip().removeprefix("//").strip() for line in found[1].splitlines())


def test_each_error_of_the_server_has_an_example_here() -> None:
    def below(kind: type[Exception]) -> Iterator[type[Exception]]:
        for each in kind.__subclasses__():
            yield each
            yield from below(each)

    assert {each for each in below(errors.ServerError) if each.__module__ == errors.__name__} - {
        errors.AccessDeniedError  # the name of all its kinds
    } <= set(map(type, _EXAMPLES))


@pytest.mark.parametrize("error", _EXAMPLES[:-2], ids=lambda error: type(error).__name__)
def test_no_error_of_the_server_is_told_as_a_fault(error: Exception) -> None:
    assert reason_of(ErrorTable(1.0).status(error)) != "INTERNAL"


def test_the_server_has_each_reason_and_the_client_undoes_it() -> None:
    assert set(_told()) == set(_REASONS) == set(BY_REASON)


@pytest.mark.parametrize("reason", _REASONS)
def test_the_comment_of_a_reason_has_its_code_retry_and_metadata(reason: str) -> None:
    comment = _comment("error_reason", f"ERROR_REASON_{reason} =")
    code, retried, metadata = _told()[reason]
    assert comment.startswith(code)
    assert ("with RetryInfo" in comment) == retried
    example = re.search(r"Example metadata: \{(.*?)\}", comment)
    assert example, comment
    assert set(re.findall(r'"(\w+)":', example[1])) == metadata


@pytest.mark.parametrize(("proto", "method"), _METHODS)
def test_the_comment_of_a_method_has_its_reasons_under_their_codes(proto: str, method: str) -> None:
    comment, told = _comment(proto, rf"rpc {method}\("), _told()
    listed: set[str] = set()
    for code, names in re.findall(r"([A-Z_]+) \(([^)]*)\)", comment):
        for name in re.findall(r"\b[A-Z]+(?:_[A-Z]+)*\b", names):
            if name in told:
                assert told[name][0] == code, f"{name} is {told[name][0]}"
                listed.add(name)
    assert listed == _METHODS[proto, method]
    assert "CANCELLED" in comment or proto == "model_service"


def test_the_comment_of_the_models_service_has_what_each_method_may_end_with() -> None:
    comment = _comment("model_service", "service ModelService")
    assert all(reason in comment for reason in (*_EVERY_CALL, "DEADLINE_PASSED", "CANCELLED"))


def test_the_table_of_overload_has_each_reason_under_its_code() -> None:
    text = (ROOT / "docs" / "overload.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([A-Z_]+) \| ([A-Z_]+)\b(.*?)\|", text, re.MULTILINE)
    assert {name for _, name, _ in rows} >= {
        "OVERLOADED",
        "STREAM_EXPIRED",
        "DEADLINE_PASSED",
        "JOURNAL_UNAVAILABLE",
    }
    for code, name, rest in rows:
        assert (code, "RetryInfo" in rest) == _told()[name][:2], name
