from __future__ import annotations

from dataclasses import replace

import grpc
import pytest

from clients import (
    Client,
    ClientConfig,
    DeadlineExceeded,
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
    PermissionDenied,
    ServerFault,
    ShuttingDown,
    StreamExpired,
    TransactionConflict,
    TransactionNotFound,
    Unauthenticated,
    Unavailable,
    Violation,
)
from clients.errors import BY_REASON, error_from_status
from kuntur.api.v1 import error_reason_pb2
from tests.fakes.scoring_server import FakeServer, status
from tests.unit.clients.conftest import transactions

REASONS = [
    (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", InvalidTransaction),
    (grpc.StatusCode.INVALID_ARGUMENT, "FRAME_SIZE", FrameSizeRefused),
    (grpc.StatusCode.UNAVAILABLE, "NO_LIVE_MODEL", NoLiveModel),
    (grpc.StatusCode.NOT_FOUND, "TRANSACTION_NOT_FOUND", TransactionNotFound),
    (grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND", ModelNotFound),
    (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED", Overloaded),
    (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN", ShuttingDown),
    (grpc.StatusCode.UNAVAILABLE, "HISTORY_UNAVAILABLE", HistoryUnavailable),
    (grpc.StatusCode.UNAVAILABLE, "JOURNAL_UNAVAILABLE", JournalUnavailable),
    (grpc.StatusCode.UNAVAILABLE, "STREAM_EXPIRED", StreamExpired),
    (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_PASSED", DeadlineExceeded),
    (grpc.StatusCode.INTERNAL, "INTERNAL", ServerFault),
    (grpc.StatusCode.INTERNAL, "MODEL_VALUE_INVALID", ModelFault),
    (grpc.StatusCode.FAILED_PRECONDITION, "OUTCOME_CONFLICT", OutcomeConflict),
    (grpc.StatusCode.ALREADY_EXISTS, "TRANSACTION_CONFLICT", TransactionConflict),
]


def test_every_reason_of_the_contract_has_an_exception() -> None:
    names = {name.removeprefix("ERROR_REASON_") for name in dict(error_reason_pb2.ErrorReason.items())}
    assert set(BY_REASON) == names - {"UNSPECIFIED"}


@pytest.mark.parametrize(("code", "reason", "kind"), REASONS)
def test_a_failed_call_raises_the_exception_of_its_reason(
    server: FakeServer, client: Client, code: grpc.StatusCode, reason: str, kind: type[KunturError]
) -> None:
    server.behaviour.always["ScoreTransaction"] = status(code, reason, "said so")
    with pytest.raises(kind) as caught:
        client.score(transactions(1)[0])
    assert type(caught.value) is kind
    assert caught.value.reason == reason
    assert caught.value.details.code is code
    assert str(caught.value) == "said so"


@pytest.mark.parametrize(("code", "reason", "kind"), REASONS)
def test_the_status_of_an_item_gives_the_same_exception(
    code: grpc.StatusCode, reason: str, kind: type[KunturError]
) -> None:
    assert type(error_from_status(status(code, reason))) is kind


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.UNAVAILABLE, Unavailable),
        (grpc.StatusCode.NOT_FOUND, NotFound),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, Overloaded),
        (grpc.StatusCode.DEADLINE_EXCEEDED, DeadlineExceeded),
        (grpc.StatusCode.CANCELLED, Overloaded),
        (grpc.StatusCode.PERMISSION_DENIED, PermissionDenied),
        (grpc.StatusCode.UNAUTHENTICATED, Unauthenticated),
        (grpc.StatusCode.UNKNOWN, ServerFault),
        (grpc.StatusCode.UNIMPLEMENTED, ServerFault),
    ],
)
def test_a_status_without_a_known_reason_goes_by_its_code(
    code: grpc.StatusCode, kind: type[KunturError]
) -> None:
    assert type(error_from_status(status(code))) is kind
    assert type(error_from_status(status(code, "A_REASON_OF_TOMORROW"))) is kind


def test_every_violation_is_told_with_its_field_path() -> None:
    error = error_from_status(
        status(
            grpc.StatusCode.INVALID_ARGUMENT,
            "INVALID_FIELD",
            violations=(("amount_minor", "above 0"), ("currency_code", "three capitals")),
        )
    )
    assert isinstance(error, InvalidTransaction)
    assert error.violations == (
        Violation("amount_minor", "above 0"),
        Violation("currency_code", "three capitals"),
    )


def test_facts_of_a_reason_are_read_from_its_metadata() -> None:
    fault = error_from_status(
        status(grpc.StatusCode.INTERNAL, "INTERNAL", metadata={"incident_id": "8a2c41d05e9b"})
    )
    assert isinstance(fault, ServerFault)
    assert fault.incident_id == "8a2c41d05e9b"
    size = error_from_status(
        status(grpc.StatusCode.INVALID_ARGUMENT, "FRAME_SIZE", metadata={"maximum": "4096"})
    )
    assert isinstance(size, FrameSizeRefused)
    assert size.maximum == 4096
    facts = {"transaction_id": "t-1", "fields": "amount_minor,merchant_id"}
    conflict = error_from_status(
        status(grpc.StatusCode.ALREADY_EXISTS, "TRANSACTION_CONFLICT", metadata=facts)
    )
    assert isinstance(conflict, TransactionConflict)
    assert conflict.fields == ["amount_minor", "merchant_id"]


def test_retry_info_says_when_to_come_back(server: FakeServer, client: Client) -> None:
    server.behaviour.always["ScoreTransaction"] = status(
        grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED", retry_after_ms=1500
    )
    with pytest.raises(Overloaded) as caught:
        client.score(transactions(1)[0])
    assert caught.value.retry_after_seconds == 1.5


def test_a_call_that_the_server_ends_unread_is_overloaded(server: FakeServer, config: ClientConfig) -> None:
    server.behaviour.always["ScoreTransaction"] = status(grpc.StatusCode.CANCELLED)
    with Client(config=replace(config, max_attempts=1)) as client, pytest.raises(Overloaded) as caught:
        client.score(transactions(1)[0])
    assert caught.value.retry_after_seconds is None
    assert caught.value.details.code is grpc.StatusCode.CANCELLED


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with FakeServer() as gone:
        address = gone.address
    config = ClientConfig(server=address, max_attempts=1)
    with Client(config=config) as client, pytest.raises(Unavailable):
        client.models()


def test_a_late_answer_exceeds_the_deadline(server: FakeServer, client: Client) -> None:
    server.behaviour.answering.clear()
    with pytest.raises(DeadlineExceeded):
        client.score(transactions(1)[0], timeout_seconds=0.1)
