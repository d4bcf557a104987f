"""What transactions turned out to be, as values, and how they go over the wire."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from clients.errors import KunturError, error_from_status
from kuntur.api.v1 import outcome_pb2, outcome_service_pb2
from kuntur.transaction import OutcomeLabel
from kuntur.values import time_to_proto

MAX_OUTCOMES_PER_CALL = 4096  # as many as the server takes by default


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became known of one transaction, and when."""

    transaction_id: str
    label: OutcomeLabel
    reported_time: datetime
    """When it became known; aware of its time zone."""

    institution_id: str = ""
    """The institution of the transaction, as it was scored."""


@dataclass(frozen=True, slots=True)
class OutcomeFailure:
    """An outcome that was refused, and why."""

    outcome: Outcome
    error: KunturError


@dataclass(frozen=True, slots=True)
class OutcomeReport:
    """What became of reported outcomes."""

    accepted_count: int
    """Outcomes that are now part of the history, those reported before included."""

    failures: tuple[OutcomeFailure, ...]
    """Those that were refused, in the order in which they were reported."""


def outcome_to_proto(outcome: Outcome) -> outcome_pb2.Outcome:
    """Writes an outcome for the wire. Raises ValueError when its time has no time zone."""
    return outcome_pb2.Outcome(
        transaction_id=outcome.transaction_id,
        institution_id=outcome.institution_id,
        label=outcome_pb2.OutcomeLabel.Name(outcome.label),
        reported_time=time_to_proto(outcome.reported_time),
    )


def outcome_requests(
    outcomes: Sequence[Outcome],
) -> Iterator[tuple[Sequence[Outcome], outcome_service_pb2.ReportOutcomesRequest]]:
    """Cuts outcomes into calls the server takes, each with the outcomes it holds."""
    for start in range(0, len(outcomes), MAX_OUTCOMES_PER_CALL):
        part = outcomes[start : start + MAX_OUTCOMES_PER_CALL]
        yield (
            part,
            outcome_service_pb2.ReportOutcomesRequest(outcomes=[outcome_to_proto(each) for each in part]),
        )


def failures_from_proto(
    response: outcome_service_pb2.ReportOutcomesResponse, reported: Sequence[Outcome]
) -> list[OutcomeFailure]:
    """Reads the refusals of one call, each with the outcome it speaks of."""
    return [
        OutcomeFailure(reported[each.index], error_from_status(each.status)) for each in response.failures
    ]
