"""What evidence has to know of the API's messages: transactions, scores and outcomes in raw entries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from kuntur.api.v1 import outcome_pb2, outcome_service_pb2, score_pb2, scoring_service_pb2, transaction_pb2
from kuntur.journal.entries import RequestKind
from kuntur.journal.v1 import journal_pb2
from kuntur.wire.varint import LENGTH, read_length, read_tag, skip_field

Transaction = transaction_pb2.Transaction
Score = score_pb2.Score
Outcome = outcome_pb2.Outcome
_ENUM, _MAP_KEY = 14, "attributes"


def transactions(requests: Sequence[bytes]) -> list[Transaction]:
    """Returns the transactions of requests to score or of a backfill, one after the other.

    All of them have theirs in field 1. Raises DecodeError.
    """
    frames = map(scoring_service_pb2.ScoreStreamRequest.FromString, requests)
    return list(chain.from_iterable(frame.transactions for frame in frames))


def outcomes(requests: Sequence[bytes]) -> list[Outcome]:
    """Returns the outcomes of reports. Raises DecodeError."""
    reports = map(outcome_service_pb2.ReportOutcomesRequest.FromString, requests)
    return list(chain.from_iterable(report.outcomes for report in reports))


def mode_of(request: bytes) -> str:
    """Returns which scores a request wants reasons for, by the name of the enum. Raises DecodeError."""
    mode = scoring_service_pb2.ScoreStreamRequest.FromString(request).reasons_mode
    return _enum_name(score_pb2.ReasonsMode.DESCRIPTOR, mode)


def score_at(answer: journal_pb2.Answer, place: int) -> Score | None:
    """Returns the score that an answer gives to the transaction at a place, None where it gives none."""
    if place in answer.unscored:
        return None
    if answer.kind == RequestKind.SCORE_TRANSACTION.value:
        if place >= len(answer.responses) or not answer.responses[place]:
            return None
        response = scoring_service_pb2.ScoreTransactionResponse.FromString(answer.responses[place])
        return response.score if response.HasField("score") else None
    frames = map(scoring_service_pb2.ScoreStreamResponse.FromString, answer.responses)
    for at, result in enumerate(chain.from_iterable(frame.results for frame in frames)):
        if at == place:
            return result.score if result.HasField("score") else None
    return None


def raw_transaction(requests: Sequence[bytes], place: int) -> bytes | None:
    """Returns the bytes of a transaction as they stand in the requests; None where that cannot be told."""
    return _nth(chain.from_iterable(map(_first_field, requests)), place)


def raw_score(answer: journal_pb2.Answer, place: int) -> bytes | None:
    """Returns the bytes of a score as they stand in the responses; None where that cannot be told."""
    if answer.kind == RequestKind.SCORE_TRANSACTION.value:
        return _nth(_first_field(answer.responses[place]), 0)
    result = _nth(chain.from_iterable(map(_first_field, answer.responses)), place)
    return None if result is None else _nth(_first_field(result), 0)


def plain(message: Transaction) -> dict[str, Any]:
    """Returns the fields of a transaction by name, those that are not given as None."""
    return {field.name: _value(message, field) for field in message.DESCRIPTOR.fields}


def decision_name(number: int) -> str:
    """Returns the name of a decision, without what all of them begin with."""
    return _enum_name(score_pb2.Decision.DESCRIPTOR, number).removeprefix("DECISION_")


def label_name(number: int) -> str:
    """Returns the name of an outcome's label, without what all of them begin with."""
    return _enum_name(outcome_pb2.OutcomeLabel.DESCRIPTOR, number).removeprefix("OUTCOME_LABEL_")


def time_of(stamp: Timestamp) -> str:
    """Returns a time as ISO 8601 in UTC, to the microsecond; one that no calendar has as its seconds."""
    try:
        return _shown(stamp.ToDatetime(UTC), "microseconds")
    except ValueError:
        return f"second {stamp.seconds}"


def now() -> str:
    """Returns the time now, as ISO 8601 in UTC."""
    return _shown(datetime.now(UTC), "seconds")


def _shown(time: datetime, timespec: str) -> str:
    return time.isoformat(timespec=timespec).replace("+00:00", "Z")


def _value(message: Transaction, field: Any) -> Any:
    value = getattr(message, field.name)
    if field.name == _MAP_KEY:
        return dict(sorted(value.items()))
    if isinstance(value, Timestamp):
        return time_of(value) if message.HasField(field.name) else None
    if field.has_presence and not message.HasField(field.name):
        return None
    if field.enum_type is not None:
        return _enum_name(field.enum_type, value)
    return None if value == "" else value


def _enum_name(descriptor: Any, number: int) -> str:
    known = descriptor.values_by_number.get(number)
    return str(number) if known is None else str(known.name)


def _first_field(raw: bytes) -> Iterator[bytes]:
    """Yields what stands in field 1 of a message, each time that it does; ends at what is oddly written."""
    at, end = 0, len(raw)
    while 0 <= at < end:
        field, wire_type, at = read_tag(raw, at, end)
        if at < 0:
            return
        if field != 1 or wire_type != LENGTH:
            at = skip_field(raw, at, end, wire_type)
            continue
        length, at = read_length(raw, at, end)
        if at < 0:
            return
        yield raw[at : at + length]
        at += length


def _nth(pieces: Iterator[bytes], place: int) -> bytes | None:
    for at, piece in enumerate(pieces):
        if at == place:
            return piece
    return None


__all__ = [
    "DecodeError", "Outcome", "Score", "Transaction", "decision_name", "label_name", "mode_of", "now",
    "outcomes", "plain", "raw_score", "raw_transaction", "score_at", "time_of", "transactions",
]  # fmt: skip
