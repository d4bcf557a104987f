"""What the journal has to know of the API's messages: which items requests and responses have.

Which items of a request were refused, entries of earlier versions say in their responses alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from google.rpc import error_details_pb2, status_pb2

from kuntur.api.v1 import (
    history_service_pb2,
    outcome_service_pb2,
    score_pb2,
    scoring_service_pb2,
    transaction_pb2,
)
from kuntur.journal.v1.journal_pb2 import (
    REQUEST_KIND_BACKFILL,
    REQUEST_KIND_REPORT_OUTCOMES,
    REQUEST_KIND_SCORE_STREAM,
    REQUEST_KIND_SCORE_TRANSACTION,
)

KINDS = {
    "score_transaction": REQUEST_KIND_SCORE_TRANSACTION,
    "score_stream": REQUEST_KIND_SCORE_STREAM,
    "report_outcomes": REQUEST_KIND_REPORT_OUTCOMES,
    "backfill": REQUEST_KIND_BACKFILL,
}
"""What each kind of entry of earlier versions asked for, by its field."""


def item_count(kind: int, request: bytes) -> int:
    """Returns how many transactions or outcomes a request has."""
    if kind == REQUEST_KIND_SCORE_TRANSACTION:
        return 1
    if kind == REQUEST_KIND_REPORT_OUTCOMES:
        return len(outcome_service_pb2.ReportOutcomesRequest.FromString(request).outcomes)
    if kind == REQUEST_KIND_BACKFILL:
        return len(history_service_pb2.BackfillRequest.FromString(request).transactions)
    return len(scoring_service_pb2.ScoreStreamRequest.FromString(request).transactions)


def transactions_of(requests: Iterable[bytes]) -> Iterator[transaction_pb2.Transaction]:
    """Yields the transactions of requests to score, of single calls or frames, by place."""
    for raw in requests:  # both have them in field 1
        yield from scoring_service_pb2.ScoreStreamRequest.FromString(raw).transactions


def scores_of(kind: int, responses: Iterable[bytes]) -> Iterator[score_pb2.Score | None]:
    """Yields the scores of responses by the places of their transactions; None where one has none."""
    for raw in responses:
        if kind == REQUEST_KIND_SCORE_TRANSACTION:
            response = scoring_service_pb2.ScoreTransactionResponse.FromString(raw)
            yield response.score if response.HasField("score") else None
        else:
            for result in scoring_service_pb2.ScoreStreamResponse.FromString(raw).results:
                yield result.score if result.HasField("score") else None


def refused_places(kind: int, response: bytes) -> tuple[int, ...]:
    """Returns the places of what did not enter the history, ascending, by what was answered.

    A single call that is in the journal was counted.
    """
    if kind == REQUEST_KIND_SCORE_STREAM:
        results = scoring_service_pb2.ScoreStreamResponse.FromString(response).results
        return tuple(
            place
            for place, result in enumerate(results)
            if not result.HasField("score") and not _counted_without(result.status)
        )
    if kind == REQUEST_KIND_REPORT_OUTCOMES:
        outcomes = outcome_service_pb2.ReportOutcomesResponse.FromString(response)
        return tuple(sorted(failure.index for failure in outcomes.failures))
    if kind == REQUEST_KIND_BACKFILL:
        backfill = history_service_pb2.BackfillResponse.FromString(response)
        return tuple(sorted(failure.index for failure in backfill.failures))
    return ()


def _counted_without(status: status_pb2.Status) -> bool:
    """Tells whether a transaction entered the history although the model gave no valid score for it."""
    info = error_details_pb2.ErrorInfo()
    return any(detail.Unpack(info) and info.reason == "MODEL_VALUE_INVALID" for detail in status.details)
