"""Scores to responses, as bytes ready to send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from google.rpc import status_pb2

from kuntur.api.v1 import score_pb2, scoring_service_pb2


@dataclass(frozen=True, slots=True)
class Scores:
    """The answers for the good transactions of a frame.

    probability: float32 [n], calibrated; decision: int8 [n], numbers of the protobuf enum Decision;
    model_version: the model that gave all of them.
    """

    probability: npt.NDArray[np.float32]
    decision: npt.NDArray[np.int8]
    model_version: str


def _score(transaction_id: str, probability: float, decision: int, model_version: str) -> score_pb2.Score:
    return score_pb2.Score(
        transaction_id=transaction_id,
        fraud_probability=probability,
        decision=decision,  # type: ignore[arg-type]  # protobuf takes the number, its stubs want the wrapper
        model_version=model_version,
    )


def write_score(transaction_id: str, scores: Scores) -> bytes:
    """Gives a serialised ScoreTransactionResponse with the only score of `scores`."""
    score = _score(
        transaction_id, float(scores.probability[0]), int(scores.decision[0]), scores.model_version
    )
    return scoring_service_pb2.ScoreTransactionResponse(score=score).SerializeToString()


def write_frame(
    ids: Sequence[str],
    places: npt.NDArray[np.int64],
    scores: Scores,
    statuses: Mapping[int, status_pb2.Status],
) -> bytes:
    """Gives a serialised ScoreStreamResponse.

    ids: transaction ids of the frame; places: int64 [n], where each score belongs in it; statuses: by
    place, for all others.
    """
    results: list[score_pb2.ScoreResult | None] = [None] * len(ids)
    probabilities, decisions = scores.probability.tolist(), scores.decision.tolist()
    for place, probability, decision in zip(places.tolist(), probabilities, decisions, strict=True):
        score = _score(ids[place], probability, decision, scores.model_version)
        results[place] = score_pb2.ScoreResult(score=score)
    for place, status in statuses.items():
        results[place] = score_pb2.ScoreResult(status=status)
    return scoring_service_pb2.ScoreStreamResponse(results=results).SerializeToString()
