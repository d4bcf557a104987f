from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from kuntur.api.v1 import score_pb2, scoring_service_pb2
from kuntur.bundle.bundle import RefusalReason
from kuntur.journal.exchanges import read_exchanges
from kuntur.reasons import read_explanation, write_explanation
from tests.support.bundles import FEATURES, publish
from tests.support.explained import calibration_of, explanation, publish_explained
from tests.support.serving import (
    EVENT_TIME,
    RunningServer,
    failure,
    frame,
    running_server,
    transaction,
    unary,
    wait_until,
)

ALL, NONE = score_pb2.REASONS_MODE_ALL, score_pb2.REASONS_MODE_NONE
ALGORITHMS = ("xgboost", "random_forest", "logistic_regression")


@pytest.fixture(scope="module", params=ALGORITHMS)
def server(tmp_path_factory: pytest.TempPathFactory, request: Any) -> Iterator[RunningServer]:
    registry = tmp_path_factory.mktemp("registry")
    publish_explained(registry, "m-1", request.param)
    with running_server(registry, reasons={"per_transaction": 3}) as started:
        started.wait_until_live("m-1")
        yield started


def _score(server: RunningServer, name: str, band: float | None, mode: int = 0, **fields: Any) -> Any:
    attributes = {} if band is None else {"risk_band": band}
    request = unary(transaction(name, account_id=name, attributes=attributes, **fields))
    request.reasons_mode = mode
    return server.stubs.scoring.ScoreTransaction(request).score


def test_a_transaction_above_the_review_threshold_has_reasons(server: RunningServer) -> None:
    score = _score(server, "above", 9.0)
    assert score.decision >= score_pb2.DECISION_REVIEW
    assert 1 <= len(score.reasons) <= 3
    first = score.reasons[0]
    assert (first.feature, first.value) == ("attribute.risk_band", 9.0)
    assert first.contribution > 0
    assert first.description == "The institution's own value risk_band is 9"
    sizes = [abs(reason.contribution) for reason in score.reasons]
    assert sizes == sorted(sizes, reverse=True)
    assert all(sizes)
    assert {reason.feature for reason in score.reasons} <= set(FEATURES)


def test_one_below_has_none_unless_they_are_asked_for(server: RunningServer) -> None:
    score = _score(server, "below", -9.0)
    assert score.decision == score_pb2.DECISION_APPROVE
    assert not score.reasons
    asked = _score(server, "below-asked", -9.0, ALL)
    assert asked.reasons[0].feature == "attribute.risk_band"
    assert asked.reasons[0].contribution < 0


def test_none_are_given_where_none_are_wanted(server: RunningServer) -> None:
    score = _score(server, "unwanted", 9.0, NONE)
    assert score.decision >= score_pb2.DECISION_REVIEW
    assert not score.reasons


def test_what_is_unset_is_a_reason_without_a_value(server: RunningServer) -> None:
    score = _score(server, "unset", None, ALL)
    (found,) = [r for r in score.reasons if r.feature == "attribute.risk_band"] or [None]
    if found is not None:  # in a weighted sum what is unset moves nothing
        assert math.isnan(found.value)
        assert found.description == "The institution gave no value risk_band"


def test_reasons_of_a_frame_stand_with_their_transactions(server: RunningServer) -> None:
    bands = [9.0, -9.0, 8.0, -8.0, -7.0, -6.0, 7.0, -5.0]

    def answer(name: str, mode: Any) -> Any:
        messages = [
            transaction(f"{name}-{i}", account_id=f"{name}-{i}", attributes={"risk_band": band})
            for i, band in enumerate(bands)
        ]
        messages[3].account_id = ""  # refused, and in nobody's way
        request = frame(*messages)
        request.reasons_mode = mode
        (answered,) = server.stubs.scoring.ScoreStream(iter([request]))
        return answered

    plain = answer("plain", 0)
    assert [bool(result.score.reasons) for result in plain.results] == [b > 0 for b in bands]
    asked = answer("f", ALL)
    for i, (result, band) in enumerate(zip(asked.results, bands, strict=True)):
        if i == 3:
            assert result.HasField("status")
            continue
        assert result.score.transaction_id == f"f-{i}"
        values = {reason.feature: reason.value for reason in result.score.reasons}
        assert values["attribute.risk_band"] == band
    assert not any(result.score.reasons for result in answer("without", NONE).results)
    again = answer("f", NONE)  # has its first answer
    assert [len(result.score.reasons) for result in again.results] == [
        len(result.score.reasons) for result in asked.results
    ]


def test_reasons_are_of_the_values_that_gave_the_score(server: RunningServer) -> None:
    for minute in range(6):
        request = unary(
            transaction(
                f"burst-{minute}",
                account_id="a-burst",
                amount_minor=10_000 + minute,
                event_time=EVENT_TIME + timedelta(minutes=minute),
                attributes={"risk_band": 1.0},
            )
        )
        request.reasons_mode = ALL
        score = server.stubs.scoring.ScoreTransaction(request).score
        values = {reason.feature: reason for reason in score.reasons}
        if "account_count_24h" in values:
            assert values["account_count_24h"].value == minute
            assert values["account_count_24h"].description == (
                f"{minute} transaction{'' if minute == 1 else 's'} in the last 24 h; usual for this account: "
                f"{['0', '0.033', '0.067', '0.1', '0.13', '0.17'][minute]}"
            )


def test_a_mode_that_there_is_not_is_refused(server: RunningServer) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        _score(server, "strange", 1.0, 7)
    assert failure(caught.value).fields == ["reasons_mode"]
    request = frame(transaction("strange-frame"))
    request.reasons_mode = -1
    with pytest.raises(grpc.RpcError) as caught:
        list(server.stubs.scoring.ScoreStream(iter([request])))
    assert failure(caught.value).reason == "INVALID_FIELD"
    assert server.app.history.counts().recent_transactions < 10_000


def test_contributions_add_up_to_the_score(server: RunningServer) -> None:
    content = (server.registry / "m-1" / "explanation.npz").read_bytes()
    known = read_explanation(content, len(FEATURES))
    calibration = calibration_of(server.app.slot.live.model.manifest.algorithm)
    limits, journal = {"max_frame_transactions": 64}, {"buffer_bytes": 40 << 20}
    reasons = {"per_transaction": 100}
    with running_server(server.registry, reasons=reasons, limits=limits, journal=journal) as whole:
        whole.wait_until_live("m-1")
        for i, band in enumerate([-4.0, -1.0, 0.0, 0.5, 2.0, None]):
            score = _score(whole, f"sum-{i}", band, ALL)
            margin = sum(reason.contribution for reason in score.reasons) / known.scale + known.base
            log_odds = math.log(score.fraud_probability / (1 - score.fraud_probability))
            assert calibration.slope * margin + calibration.intercept == pytest.approx(log_odds, abs=1e-3)


def test_reasons_are_counted_and_timed_and_in_the_journal(tmp_path: Path) -> None:
    publish_explained(tmp_path / "registry", "m-1", "xgboost")
    with running_server(tmp_path / "registry", journal={"path": tmp_path / "journal"}) as server:
        server.wait_until_live("m-1")
        given = _score(server, "j-1", 9.0)
        _score(server, "j-2", -9.0)
        sample = server.app.metrics.registry.get_sample_value
        assert sample("kuntur_transactions_reasoned_total") == 1
        assert sample("kuntur_reasons_seconds_count") == 1
    first, _ = read_exchanges(tmp_path / "journal")
    kept = scoring_service_pb2.ScoreTransactionResponse.FromString(first.response or b"")
    assert kept.score == given
    assert kept.score.reasons


def test_a_server_may_be_set_to_give_none(tmp_path: Path) -> None:
    publish_explained(tmp_path, "m-1", "xgboost")
    with running_server(tmp_path, reasons={"per_transaction": 0}) as server:
        server.wait_until_live("m-1")
        assert not _score(server, "silent", 9.0, ALL).reasons


def test_a_model_that_explains_nothing_gives_scores_without_reasons(tmp_path: Path) -> None:
    publish(tmp_path, "old", weights=(0.001, 0.1, 0.2, 1.0))
    with running_server(tmp_path) as server:
        server.wait_until_live("old")
        score = _score(server, "plain", 9.0, ALL)
        assert score.decision >= score_pb2.DECISION_REVIEW
        assert not score.reasons


def _of_another_model() -> bytes:
    return explanation("logistic_regression")


def _off_by_a_little() -> bytes:
    right: Any = read_explanation(explanation("xgboost"), len(FEATURES))
    right._trees.value[np.flatnonzero(right._trees.right == 0)[0]] += 0.05
    return write_explanation(type(right)(right._trees, right.columns, right._offset, right.scale))


def _cut_off() -> bytes:
    return explanation("xgboost")[:-100]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (_of_another_model, "miss the margin of a golden row by"),
        (_off_by_a_little, "miss the margin of a golden row by"),
        (_cut_off, "is not an archive"),
    ],
)
def test_a_bundle_that_is_explained_wrongly_does_not_go_live(
    tmp_path: Path, content: Any, message: str
) -> None:
    publish_explained(tmp_path, "good", "xgboost")
    with running_server(tmp_path) as server:
        server.wait_until_live("good")
        publish_explained(tmp_path, "bad", "xgboost", content())
        wait_until(lambda: "bad" in server.app._watcher.refusals)
        refusal = server.app._watcher.refusals["bad"]
        assert refusal.reason is RefusalReason.EXPLANATION_INVALID
        assert message in refusal.message
        assert server.live_version() == "good"


def test_a_model_without_a_margin_cannot_be_explained(tmp_path: Path) -> None:
    from kuntur.bundle.bundle import Registry, write_bundle
    from tests.support.bundles import golden_features, linear_model, manifest, sigmoid

    golden = golden_features(len(FEATURES))
    weights = (0.001, 0.1, 0.2, 1.0)
    scores = sigmoid(np.nan_to_num(golden.astype(np.float64)) @ np.array(weights))
    content = explanation("logistic_regression")
    write_bundle(tmp_path, manifest("bad"), linear_model(weights), golden, scores, {}, content)
    Registry(tmp_path).set_live("bad")
    with running_server(tmp_path) as server:
        wait_until(lambda: "bad" in server.app._watcher.refusals)
        assert "has no output margin" in server.app._watcher.refusals["bad"].message
