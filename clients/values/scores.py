"""What a server answers for a transaction, as values, and how they are read from the wire."""

from __future__ import annotations

from dataclasses import dataclass

from clients.errors import KunturError, broken_contract, error_from_status
from kuntur.api.v1 import score_pb2
from kuntur.scores import Decision


@dataclass(frozen=True, slots=True)
class Reason:
    """One cause of a score."""

    feature: str
    """Name of the feature in the catalogue."""

    value: float
    """Value that the feature had; NaN when unset."""

    contribution: float
    """What the feature added before calibration, in log-odds; below 0 when it spoke for the customer."""

    description: str
    """The same as a sentence for a person."""


@dataclass(frozen=True, slots=True)
class Score:
    """The answer for one transaction."""

    transaction_id: str
    """The transaction it answers."""

    fraud_probability: float
    """Calibrated probability that the transaction is fraud, 0 to 1."""

    decision: Decision
    """The probability held against the model's thresholds."""

    reasons: tuple[Reason, ...]
    """The causes that moved the score most, strongest first; empty for a score that was not asked for them,
    and when the model explains nothing."""

    model_version: str
    """The model that gave this score."""

    replayed: bool
    """Whether it is the first answer to the transaction, given again: it came before."""


@dataclass(frozen=True, slots=True)
class ItemError:
    """Why one transaction of a frame has no score; the others are not touched by it."""

    transaction_id: str
    error: KunturError


def score_from_proto(message: score_pb2.Score) -> Score:
    """Reads a score from the wire."""
    return Score(
        transaction_id=message.transaction_id,
        fraud_probability=message.fraud_probability,
        decision=Decision(message.decision),
        reasons=tuple(
            Reason(each.feature, each.value, each.contribution, each.description) for each in message.reasons
        ),
        model_version=message.model_version,
        replayed=message.replayed,
    )


def result_from_proto(message: score_pb2.ScoreResult, transaction_id: str) -> Score | ItemError:
    """Reads one result of a frame; `transaction_id` names the transaction that stood in its place."""
    match message.WhichOneof("result"):
        case "score":
            return score_from_proto(message.score)
        case "status":
            return ItemError(transaction_id, error_from_status(message.status))
        case _:
            return ItemError(
                transaction_id, broken_contract("The server sent a result with neither score nor status.")
            )
