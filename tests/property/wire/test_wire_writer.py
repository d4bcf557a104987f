"""The writer of responses against protobuf's own serialisation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from google.rpc import status_pb2
from hypothesis import given
from hypothesis import strategies as st

from kuntur.api.v1 import score_pb2, scoring_service_pb2
from kuntur.scores import Reason, Scores
from kuntur.wire import TransactionIds, write_frame, write_score
from tests.support.examples import examples

_IDS = st.one_of(st.text("ab09-", max_size=20), st.text(max_size=60), st.integers(120, 140).map("x".__mul__))
_PROBABILITIES = st.one_of(
    st.floats(0, 1, width=32), st.floats(width=32), st.sampled_from([0.0, -0.0, 1.0, float("nan")])
)
_VERSIONS = st.one_of(st.just(""), st.text(max_size=30), st.just("v" * 200))


_REASONS = st.lists(
    st.builds(
        Reason,
        st.one_of(st.text(max_size=20), st.just("attribute." + "x" * 120)),
        st.one_of(st.floats(), st.sampled_from([0.0, -0.0])),
        st.one_of(st.floats(), st.just(0.0)),
        st.one_of(st.text(max_size=40), st.integers(100, 200).map("ñ".__mul__)),
    ),
    max_size=6,
)


def _messages(reasons: Sequence[Reason]) -> list[score_pb2.Reason]:
    return [score_pb2.Reason(**reason._asdict()) for reason in reasons]


@st.composite
def frames(draw: st.DrawFn) -> tuple[list[str], np.ndarray, Scores, dict[int, status_pb2.Status]]:
    ids = draw(st.lists(_IDS, max_size=12))
    refused = {place for place in range(len(ids)) if draw(st.integers(0, 4)) == 0}
    places = np.array([place for place in range(len(ids)) if place not in refused], dtype=np.int64)
    n = len(places)
    probability = draw(st.lists(_PROBABILITIES, min_size=n, max_size=n))
    decision = draw(st.lists(st.integers(-128, 127), min_size=n, max_size=n))
    explained = st.dictionaries(st.integers(0, n - 1), _REASONS) if n else st.just({})
    scores = Scores(
        np.array(probability, dtype=np.float32),
        np.array(decision, dtype=np.int8),
        draw(_VERSIONS),
        draw(st.one_of(st.none(), explained)),
    )
    statuses = {
        place: status_pb2.Status(code=draw(st.integers(0, 16)), message=draw(_IDS)) for place in refused
    }
    return ids, places, scores, statuses


def _by_protobuf(
    ids: list[str], places: np.ndarray, scores: Scores, statuses: dict[int, status_pb2.Status]
) -> bytes:
    results = {place: score_pb2.ScoreResult(status=status) for place, status in statuses.items()}
    for row, place in enumerate(places.tolist()):
        results[place] = score_pb2.ScoreResult(
            score=score_pb2.Score(
                transaction_id=ids[place],
                fraud_probability=float(scores.probability[row]),
                decision=int(scores.decision[row]),
                model_version=scores.model_version,
                reasons=_messages((scores.reasons or {}).get(row, ())),
            )
        )
    ordered = [results[place] for place in range(len(ids))]
    return scoring_service_pb2.ScoreStreamResponse(results=ordered).SerializeToString()


@examples(200)
@given(frames())
def test_a_frame_is_written_as_protobuf_writes_it(frame: tuple) -> None:
    ids, places, scores, statuses = frame
    expected = _by_protobuf(ids, places, scores, statuses)
    assert write_frame(ids, places, scores, statuses) == expected
    assert write_frame(TransactionIds.of(ids), places, scores, statuses) == expected


@examples(150)
@given(_IDS, _PROBABILITIES, st.integers(-128, 127), _VERSIONS, st.one_of(st.none(), _REASONS))
def test_a_lone_score_is_written_as_protobuf_writes_it(
    transaction_id: str, probability: float, decision: int, version: str, reasons: list[Reason] | None
) -> None:
    explained = None if reasons is None else {0: reasons}
    scores = Scores(
        np.array([probability], dtype=np.float32), np.array([decision], dtype=np.int8), version, explained
    )
    score = score_pb2.Score(
        transaction_id=transaction_id,
        fraud_probability=float(scores.probability[0]),
        decision=decision,
        model_version=version,
        reasons=_messages(reasons or ()),
    )
    expected = scoring_service_pb2.ScoreTransactionResponse(score=score).SerializeToString()
    assert write_score([transaction_id], 0, scores) == expected


@pytest.mark.parametrize("size", [1, 500, 4096])
def test_a_frame_with_reasons_for_all_stays_below_what_clients_take(size: int) -> None:
    reasons = [Reason("attribute." + "x" * 64, 1.5, 2.0 - rank, "ñ" * 150) for rank in range(20)]
    ids = [f"{i:0>128}" for i in range(size)]
    scores = Scores(
        np.full(size, 0.9, dtype=np.float32),
        np.full(size, 3, dtype=np.int8),
        "v" * 128,
        dict.fromkeys(range(size), reasons),
    )
    written = write_frame(ids, np.arange(size), scores, {})
    assert len(written) <= 4 << 20
    response = scoring_service_pb2.ScoreStreamResponse.FromString(written)
    kept = {len(result.score.reasons) for result in response.results}
    assert len(kept) == 1
    (count,) = kept
    assert count == (20 if size < 501 else 1)
    assert list(response.results[-1].score.reasons) == _messages(reasons[:count])
    assert response.results[-1].score.transaction_id == ids[-1]


def test_the_same_scores_without_reasons_are_the_same_bytes() -> None:
    ids = [f"t-{i}" for i in range(6)]
    probability, decision = np.linspace(0, 1, 6, dtype=np.float32), np.ones(6, dtype=np.int8)
    plain = write_frame(ids, np.arange(6), Scores(probability, decision, "v"), {})
    assert write_frame(ids, np.arange(6), Scores(probability, decision, "v", {}), {}) == plain
    assert write_frame(ids, np.arange(6), Scores(probability, decision, "v", {2: []}), {}) == plain


def test_a_frame_with_a_place_left_out_is_refused() -> None:
    scores = Scores(np.zeros(1, dtype=np.float32), np.ones(1, dtype=np.int8), "v")
    with pytest.raises(ValueError, match="1 scores and 0 statuses for 2 transactions"):
        write_frame(["a", "b"], np.array([0]), scores, {})
