from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from kuntur.api.v1 import score_pb2, transaction_pb2
from tests.support.bundles import publish, publish_passing_on
from tests.support.serving import RunningServer, failure, frame, running_server, transaction, unary
from trainer.sources.journal import read_journal

NOT_A_NUMBER: dict[str, float] = {}  # the model gives back what it is given, here an unset feature
INVALID = (NOT_A_NUMBER, {"risk_band": 7.0}, {"risk_band": -3.0})
GOOD = {"risk_band": 0.25}


def asked(transaction_id: str, attributes: dict[str, float]) -> transaction_pb2.Transaction:
    return transaction(transaction_id, attributes=attributes)


def serving(folder: Path, **models: Any) -> Any:
    publish_passing_on(folder / "registry", "m-1")
    return running_server(folder / "registry", journal={"path": folder / "journal"}, models=models)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    with serving(tmp_path) as started:
        started.wait_until_live("m-1")
        yield started


def count(server: RunningServer) -> float | None:
    return server.app.metrics.registry.get_sample_value("kuntur_model_values_invalid_total")


@pytest.mark.parametrize("attributes", INVALID)
def test_a_call_whose_score_is_no_probability_ends_with_an_error_of_its_own(
    server: RunningServer, attributes: dict[str, float]
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        server.stubs.scoring.ScoreTransaction(unary(asked("t-1", attributes)))
    told = failure(caught.value)
    assert told.code == grpc.StatusCode.INTERNAL.value[0]
    assert (told.reason, told.metadata) == ("MODEL_VALUE_INVALID", {"model_version": "m-1"})
    assert count(server) == 1
    assert server.stubs.scoring.ScoreTransaction(unary(asked("t-2", GOOD))).score.fraud_probability == 0.25


def test_in_a_frame_only_the_item_itself_fails(server: RunningServer) -> None:
    frames = [
        frame(
            asked("t-0", GOOD),
            *(asked(f"t-{n}", each) for n, each in enumerate(INVALID, 1)),
            asked("t-9", GOOD),
        ),
        frame(asked("t-10", INVALID[1])),
    ]
    answers = list(server.stubs.scoring.ScoreStream(iter(frames)))
    results = [result for answer in answers for result in answer.results]
    assert [result.score.transaction_id for result in results] == ["t-0", "", "", "", "t-9", ""]
    assert {failure(result.status).reason for result in results if result.HasField("status")} == {
        "MODEL_VALUE_INVALID"
    }
    assert count(server) == 4


def test_frames_that_are_scored_together_keep_their_own_items(server: RunningServer) -> None:
    sent = [frame(asked(f"t-{n}", INVALID[n % 3] if n % 2 else GOOD)) for n in range(40)]
    answers = list(server.stubs.scoring.ScoreStream(iter(sent)))
    assert [answer.results[0].HasField("score") for answer in answers] == [n % 2 == 0 for n in range(40)]


def test_calls_that_are_scored_together_fail_alone(server: RunningServer) -> None:
    calls = [
        server.stubs.scoring.ScoreTransaction.future(unary(asked(f"t-{n}", INVALID[1] if n % 2 else GOOD)))
        for n in range(40)
    ]
    reasons = [failure(error).reason if (error := call.exception()) else "" for call in calls]
    assert reasons == ["MODEL_VALUE_INVALID" if n % 2 else "" for n in range(40)]


def test_what_was_counted_is_in_the_journal_for_the_trainer_too(
    server: RunningServer, tmp_path: Path
) -> None:
    with pytest.raises(grpc.RpcError):
        server.stubs.scoring.ScoreTransaction(unary(asked("t-1", INVALID[1])))
    list(server.stubs.scoring.ScoreStream(iter([frame(asked("t-2", INVALID[2]), asked("t-3", GOOD))])))
    server.app.stop()
    table = read_journal(tmp_path / "journal")
    assert sorted(table.frame["transaction_id"]) == ["t-1", "t-2", "t-3"]


def test_by_setting_it_goes_to_an_analyst_with_the_reason(tmp_path: Path) -> None:
    with serving(tmp_path, invalid_value="review") as server:
        server.wait_until_live("m-1")
        lone = server.stubs.scoring.ScoreTransaction(unary(asked("t-1", NOT_A_NUMBER))).score
        (answer,) = server.stubs.scoring.ScoreStream(
            iter([frame(asked("t-2", GOOD), asked("t-3", INVALID[2]))])
        )
        good, framed = (result.score for result in answer.results)
    assert good.decision == score_pb2.DECISION_APPROVE
    for score in (lone, framed):
        assert score.decision == score_pb2.DECISION_REVIEW
        assert score.fraud_probability == 0.5  # the threshold of review
        assert [reason.description for reason in score.reasons] == [
            "The model gave no valid score for this transaction, so it is to be reviewed."
        ]


def test_the_former_model_is_taken_back_by_choosing_it(server: RunningServer) -> None:
    publish(server.registry, "m-0")
    server.wait_until_live("m-0")
    assert (
        server.stubs.scoring.ScoreTransaction(unary(asked("t-1", NOT_A_NUMBER))).score.model_version == "m-0"
    )
