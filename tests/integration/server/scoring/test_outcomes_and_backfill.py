from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import grpc
import pytest

from kuntur.api.v1 import history_service_pb2, outcome_pb2, outcome_service_pb2
from kuntur.values import time_to_proto
from tests.support.bundles import publish
from tests.support.serving import (
    EVENT_TIME,
    RunningServer,
    failure,
    frame,
    running_server,
    transaction,
    unary,
)

HOUR = timedelta(hours=1)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    publish(tmp_path, "m-1", weights=(5.0,), bias=-2.5, features=("account_fraud_count",))
    with running_server(tmp_path) as started:
        started.wait_until_live("m-1")
        yield started


def outcome(
    transaction_id: str, *, fraud: bool = True, reported: datetime = EVENT_TIME + HOUR
) -> outcome_pb2.Outcome:
    label = outcome_pb2.OUTCOME_LABEL_FRAUD if fraud else outcome_pb2.OUTCOME_LABEL_LEGITIMATE
    return outcome_pb2.Outcome(
        transaction_id=transaction_id, label=label, reported_time=time_to_proto(reported)
    )


def report(
    server: RunningServer, *outcomes: outcome_pb2.Outcome
) -> outcome_service_pb2.ReportOutcomesResponse:
    return server.stubs.outcomes.ReportOutcomes(outcome_service_pb2.ReportOutcomesRequest(outcomes=outcomes))


def probability(server: RunningServer, transaction_id: str) -> float:
    """Scores a later transaction of the account: near 1 when the account has a fraud, near 0 otherwise."""
    message = transaction(transaction_id, event_time=EVENT_TIME + 10 * HOUR)
    return float(server.stubs.scoring.ScoreTransaction(unary(message)).score.fraud_probability)


def backfill(server: RunningServer, *frames: list[object]) -> history_service_pb2.BackfillResponse:
    requests = [history_service_pb2.BackfillRequest(transactions=messages) for messages in frames]
    return server.stubs.history.Backfill(iter(requests))


def test_a_reported_fraud_changes_later_scores(server: RunningServer) -> None:
    server.stubs.scoring.ScoreTransaction(unary(transaction("t-1")))
    assert probability(server, "before") < 0.5
    assert report(server, outcome("t-1")).accepted_count == 1
    assert probability(server, "after") > 0.5


def test_a_correction_takes_the_fraud_back(server: RunningServer) -> None:
    server.stubs.scoring.ScoreTransaction(unary(transaction("t-1")))
    report(server, outcome("t-1"))
    assert report(server, outcome("t-1", fraud=False)).accepted_count == 1
    assert probability(server, "after") < 0.5


def test_reporting_the_same_outcome_again_is_accepted_and_changes_nothing(server: RunningServer) -> None:
    server.stubs.scoring.ScoreTransaction(unary(transaction("t-1")))
    for _ in range(3):
        answer = report(server, outcome("t-1"))
        assert (answer.accepted_count, len(answer.failures)) == (1, 0)


def test_each_outcome_is_applied_or_refused_by_itself(server: RunningServer) -> None:
    server.stubs.scoring.ScoreTransaction(unary(transaction("t-1")))
    unlabelled = outcome("t-1")
    unlabelled.ClearField("label")
    answer = report(
        server,
        outcome("never-seen"),
        outcome("t-1"),
        outcome("t-1", reported=EVENT_TIME - HOUR),
        unlabelled,
        outcome(""),
    )
    assert answer.accepted_count == 1
    opened = {item.index: failure(item.status) for item in answer.failures}
    assert {index: (f.code, f.reason) for index, f in opened.items()} == {
        0: (grpc.StatusCode.NOT_FOUND.value[0], "TRANSACTION_NOT_FOUND"),
        2: (grpc.StatusCode.FAILED_PRECONDITION.value[0], "OUTCOME_CONFLICT"),
        3: (grpc.StatusCode.INVALID_ARGUMENT.value[0], "INVALID_FIELD"),
        4: (grpc.StatusCode.INVALID_ARGUMENT.value[0], "INVALID_FIELD"),
    }
    assert opened[0].metadata == {"transaction_id": "never-seen"}
    assert opened[3].fields == ["outcomes[3].label"]
    assert opened[4].fields == ["outcomes[4].transaction_id"]


def test_a_report_of_nothing_is_refused(server: RunningServer) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        report(server)
    assert failure(caught.value).reason == "FRAME_SIZE"


def test_backfill_warms_the_history_without_a_model(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        answer = backfill(
            server,
            [transaction("t-1"), transaction("t-2"), transaction("t-bad", account_id="")],
            [transaction("t-2"), transaction("t-3", currency_code="QQQ")],
        )
        assert (answer.accepted_count, answer.repeated_count, answer.refused_count) == (2, 1, 2)
        assert [item.index for item in answer.failures] == [2, 4]
        assert failure(answer.failures[0].status).fields == ["transactions[2].account_id"]
        assert server.app.history.counts().entities["account"] == 1
        assert report(server, outcome("t-1")).accepted_count == 1


def test_a_transaction_that_was_backfilled_is_not_counted_again(server: RunningServer) -> None:
    backfill(server, [transaction("t-1")])
    server.stubs.scoring.ScoreTransaction(unary(transaction("t-1")))
    assert server.app.history.counts().recent_transactions == 1


def test_at_most_a_hundred_failures_of_a_backfill_are_told(server: RunningServer) -> None:
    answer = backfill(server, [transaction(f"t-{i}", account_id="") for i in range(150)])
    assert answer.refused_count == 150
    assert [item.index for item in answer.failures] == list(range(100))


def test_an_empty_frame_ends_a_backfill_and_keeps_what_was_taken(server: RunningServer) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        backfill(server, [transaction("t-1")], [])
    assert failure(caught.value).reason == "FRAME_SIZE"
    assert server.app.history.counts().recent_transactions == 1


def test_no_transaction_is_counted_while_no_model_is_live(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        for call in (
            lambda: server.stubs.scoring.ScoreTransaction(unary(transaction("t-1"))),
            lambda: list(server.stubs.scoring.ScoreStream(iter([frame(transaction("t-1"))]))),
        ):
            with pytest.raises(grpc.RpcError) as caught:
                call()
            opened = failure(caught.value)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            assert (opened.reason, opened.retried) == ("NO_LIVE_MODEL", True)
        assert server.app.history.counts().recent_transactions == 0
