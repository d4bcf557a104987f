from __future__ import annotations

from collections.abc import Iterator
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime

import grpc
import pytest
from google.rpc import status_pb2

from clients import (
    Cancelled,
    Client,
    ClientConfig,
    Decision,
    ItemError,
    ModelNotFound,
    ModelState,
    NoLiveModel,
    Outcome,
    OutcomeLabel,
    Overloaded,
    Reason,
    Score,
    ServerFault,
    ShuttingDown,
    TransactionNotFound,
    Unavailable,
)
from clients.errors import DeadlineExceeded, ErrorDetails
from clients.stubs import Stubs
from clients.values.models import Model
from kuntur.api.v1 import model_pb2
from kuntur.transaction import Transaction
from tests.fakes.scoring_server import FakeServer, status
from tests.unit.clients.conftest import START, transactions, wait_until_streams_end


class Clock:
    """Stands for `time`: tells the times that a test wrote down, and sleeps not at all."""

    def __init__(self, *times: float) -> None:
        self._times = iter(times)

    def monotonic(self) -> float:
        return next(self._times)

    def sleep(self, seconds: float) -> None:
        pass


def test_a_score_is_a_frozen_value(server: FakeServer, client: Client) -> None:
    server.behaviour.probabilities["t-0"] = 0.1 + 0.2
    score = client.score(transactions(1)[0])
    assert score == Score(
        "t-0",
        0.1 + 0.2,
        Decision.APPROVE,
        (Reason("amount_log", 3.5, 0.7, "An unusual amount."),),
        "m-1",
        False,
    )
    with pytest.raises(FrozenInstanceError):
        score.decision = Decision.DECLINE  # type: ignore[misc]


def test_an_unknown_decision_of_a_newer_server_is_unspecified() -> None:
    assert Decision(99) is Decision.UNSPECIFIED


def test_an_unavailable_unary_call_is_repeated(server: FakeServer, client: Client) -> None:
    unavailable = status(grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")
    server.behaviour.failures["ScoreTransaction"] = [unavailable, unavailable]
    assert client.score(transactions(1)[0]).transaction_id == "t-0"
    assert len(server.arrivals("ScoreTransaction")) == 3


@pytest.mark.parametrize(
    "refusal",
    [
        status(grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED", retry_after_ms=10),
        status(grpc.StatusCode.CANCELLED),
    ],
    ids=["with a reason", "unread"],
)
def test_a_refused_unary_call_is_repeated(
    server: FakeServer, client: Client, refusal: status_pb2.Status
) -> None:
    server.behaviour.failures["ScoreTransaction"] = [refusal, refusal]
    assert client.score(transactions(1)[0]).transaction_id == "t-0"
    assert len(server.arrivals("ScoreTransaction")) == 3


def test_a_server_that_refuses_everyone_is_asked_less_and_less(server: FakeServer, client: Client) -> None:
    server.behaviour.always["ScoreTransaction"] = status(grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
    for transaction in transactions(100):
        with pytest.raises(Overloaded):
            client.score(transaction)
    # The budget of 100 tokens is half gone after 50 tries; from then on each call is tried once.
    assert len(server.arrivals("ScoreTransaction")) < 100 + 60


def test_tries_are_bounded(server: FakeServer, client: Client) -> None:
    server.behaviour.always["ScoreTransaction"] = status(grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")
    with pytest.raises(ShuttingDown):
        client.score(transactions(1)[0])
    assert len(server.arrivals("ScoreTransaction")) == ClientConfig().max_attempts


def test_other_failures_are_not_repeated(server: FakeServer, client: Client) -> None:
    server.behaviour.always["ScoreTransaction"] = status(grpc.StatusCode.INTERNAL, "INTERNAL")
    with pytest.raises(ServerFault):
        client.score(transactions(1)[0])
    assert len(server.arrivals("ScoreTransaction")) == 1


@pytest.mark.parametrize("frame_transactions", [1, 7, 1000])
def test_a_stream_answers_in_the_order_of_the_transactions(
    server: FakeServer, client: Client, frame_transactions: int
) -> None:
    answers = client.score_many(transactions(50), frame_transactions=frame_transactions)
    assert [each.transaction_id for each in answers] == [f"t-{index}" for index in range(50)]
    assert [len(each.transaction_ids) for each in server.arrivals("ScoreStream")][:-1] == [
        frame_transactions
    ] * ((50 - 1) // frame_transactions)


def test_one_bad_transaction_fails_alone(server: FakeServer, client: Client) -> None:
    server.behaviour.refused["t-3"] = status(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    answers = client.score_many(transactions(6), frame_transactions=4)
    assert [isinstance(each, ItemError) for each in answers] == [index == 3 for index in range(6)]
    assert answers[3].transaction_id == "t-3"


def test_a_stream_reads_no_further_ahead_than_its_frames_in_flight(
    server: FakeServer, client: Client
) -> None:
    server.behaviour.answering.clear()
    taken: list[Transaction] = []

    def source() -> Iterator[Transaction]:
        for transaction in transactions(40):
            taken.append(transaction)
            if len(taken) == 12:
                server.behaviour.answering.set()
            yield transaction

    answers = client.score_stream(source(), frame_transactions=3, max_in_flight_frames=3)
    next(answers)
    assert len(taken) == 12
    assert len(list(answers)) == 39


def test_a_broken_stream_gives_what_was_answered_and_then_raises(server: FakeServer, client: Client) -> None:
    server.behaviour.frames_until_break = 2
    answers = client.score_stream(transactions(20), frame_transactions=4)
    got = []
    with pytest.raises(ShuttingDown) as caught:
        got.extend(each for each in answers)
    assert caught.value.retry_after_seconds == 0.5
    answers = client.score_stream(transactions(20), frame_transactions=4)
    assert [next(answers).transaction_id for _ in range(8)] == [f"t-{index}" for index in range(8)]


@pytest.mark.parametrize("end_unasked", [False, True])
def test_answers_that_came_before_the_stream_broke_are_given_though_no_more_can_be_sent(
    server: FakeServer, client: Client, end_unasked: bool
) -> None:
    server.behaviour.frames_until_break = 3 if end_unasked else 2
    server.behaviour.end_unasked = end_unasked
    server.behaviour.answering.clear()

    def source() -> Iterator[Transaction]:
        yield from transactions(12)
        server.behaviour.answering.set()
        wait_until_streams_end()
        yield from transactions(8, first=12)

    got = []
    with pytest.raises(ShuttingDown):
        got.extend(each.transaction_id for each in client.score_stream(source(), frame_transactions=4))
    assert got == [f"t-{index}" for index in range(12 if end_unasked else 8)]


@pytest.mark.parametrize("name", ["frame_transactions", "max_in_flight_frames"])
@pytest.mark.parametrize("count", [0, -1])
def test_no_stream_has_frames_below_one(client: Client, name: str, count: int) -> None:
    with pytest.raises(ValueError, match=f"{name} is at least 1, not {count}"):
        client.score_stream(transactions(3), **{name: count})
    with pytest.raises(ValueError, match=f"{name} is at least 1, not {count}"):
        client.score_many(transactions(3), **{name: count})


@pytest.mark.parametrize("count", [0, -1])
def test_no_backfill_has_frames_below_one(server: FakeServer, client: Client, count: int) -> None:
    with pytest.raises(ValueError, match=f"frame_transactions is at least 1, not {count}"):
        client.backfill(transactions(3), frame_transactions=count)
    assert server.arrivals("Backfill") == []


def test_a_closed_client_says_that_a_call_is_cancelled(config: ClientConfig) -> None:
    client = Client(config=config)
    client.close()
    for call in (
        lambda: client.score(transactions(1)[0]),
        lambda: client.score_many(transactions(1)),
        lambda: client.backfill(transactions(1)),
        client.frame_stream,
        client.models,
    ):
        with pytest.raises(Cancelled, match="The client is closed"):
            call()


def test_a_value_error_of_an_open_client_is_passed_on() -> None:
    stubs = Stubs(grpc.insecure_channel("localhost:1"))
    with pytest.raises(ValueError, match="of the caller"), stubs.call():
        raise ValueError("of the caller")


def test_a_stream_that_ends_early_in_good_order_is_an_error(server: FakeServer, client: Client) -> None:
    server.behaviour.frames_until_break = 1
    server.behaviour.end_in_good_order = True
    with pytest.raises(Unavailable):
        client.score_many(transactions(20), frame_transactions=4)


def test_an_answer_that_fits_no_frame_is_a_fault(server: FakeServer, client: Client) -> None:
    server.behaviour.results_short_by = 1
    with pytest.raises(ServerFault):
        client.score_many(transactions(4))


def test_no_transactions_give_no_answers(client: Client) -> None:
    assert client.score_many([]) == []


def test_a_stream_given_up_leaves_the_client_usable(client: Client) -> None:
    answers = client.score_stream(transactions(100), frame_transactions=5)
    next(answers)
    answers.close()  # type: ignore[attr-defined]
    assert client.score(transactions(1)[0]).transaction_id == "t-0"


def test_refused_outcomes_come_back_with_their_reason(server: FakeServer, client: Client) -> None:
    client.score_many(transactions(2))
    outcomes = [
        Outcome(f"t-{index}", OutcomeLabel.FRAUD, datetime(2026, 3, 9, tzinfo=UTC)) for index in range(3)
    ]
    report = client.report_outcomes(outcomes)
    assert report.accepted_count == 2
    assert [each.outcome for each in report.failures] == [outcomes[2]]
    assert isinstance(report.failures[0].error, TransactionNotFound)


def test_many_outcomes_go_in_several_calls(server: FakeServer, client: Client) -> None:
    outcomes = [Outcome(f"t-{index}", OutcomeLabel.LEGITIMATE, START) for index in range(10_000)]
    report = client.report_outcomes(outcomes)
    assert [len(each.transaction_ids) for each in server.arrivals("ReportOutcomes")] == [
        4_096,
        4_096,
        1_808,
    ]
    assert [each.outcome for each in report.failures] == outcomes


def test_an_outcome_needs_a_time_zone(client: Client) -> None:
    with pytest.raises(ValueError, match="time zone"):
        client.report_outcomes([Outcome("t-0", OutcomeLabel.FRAUD, datetime(2026, 3, 9))])  # noqa: DTZ001, RUF100


def test_models_are_values(server: FakeServer, client: Client) -> None:
    refused = model_pb2.Model(model_version="m-2", state=model_pb2.MODEL_STATE_REFUSED)
    refused.refusal.reason = model_pb2.MODEL_REFUSAL_REASON_HASH_MISMATCH
    refused.refusal.message = "model.onnx"
    refused.live_since_time.FromDatetime(START)
    server.behaviour.models.insert(0, refused)
    newest, live = client.models()
    assert newest.state is ModelState.REFUSED
    assert newest.refusal is not None
    assert newest.refusal.reason == "HASH_MISMATCH"
    assert newest.live_since_time == START
    assert live.live_since_time is None
    assert client.live_model() == live
    assert client.model("m-2") == newest
    with pytest.raises(ModelNotFound):
        client.model("m-3")


def test_backfill_reports_what_became_of_each_transaction(server: FakeServer, client: Client) -> None:
    server.behaviour.refused["t-4"] = status(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    report = client.backfill(transactions(5) + transactions(2), frame_transactions=2)
    assert (report.accepted_count, report.repeated_count, report.refused_count) == (4, 2, 1)
    assert [each.index for each in report.failures] == [4]


def test_waiting_ends_when_a_model_goes_live(server: FakeServer, client: Client) -> None:
    server.behaviour.failures["GetLiveModel"] = [
        status(grpc.StatusCode.UNAVAILABLE, "NO_LIVE_MODEL", retry_after_ms=20)
    ] * 6
    assert client.wait_until_ready(10).model_version == "m-1"


def test_waiting_tells_why_it_was_in_vain(server: FakeServer, client: Client) -> None:
    server.behaviour.models.clear()
    with pytest.raises(NoLiveModel):
        client.live_model(timeout_seconds=30)  # connects, however long that takes
    with pytest.raises(NoLiveModel):
        client.wait_until_ready(1.0)


def test_what_the_server_said_outlives_a_last_try_that_was_too_short(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = [
        NoLiveModel("no model", ErrorDetails(grpc.StatusCode.UNAVAILABLE)),
        DeadlineExceeded("too late", ErrorDetails(grpc.StatusCode.DEADLINE_EXCEEDED)),
    ]

    def live_model(self: Client, *, timeout_seconds: float) -> Model:
        raise said.pop(0)

    monkeypatch.setattr(Client, "live_model", live_model)
    monkeypatch.setattr("clients.sync.client.time", Clock(0.0, 0.0, 0.2, 0.2, 5.0, 5.0))
    with pytest.raises(NoLiveModel):
        client.wait_until_ready(1.0)
