"""What is written into the journal's buffer in one piece is never larger than settings are checked for."""

from __future__ import annotations

import numpy as np
import pytest

from kuntur.api.v1 import outcome_pb2, outcome_service_pb2, score_pb2, scoring_service_pb2, transaction_pb2
from kuntur.features import FEATURE_NAMES
from kuntur.fields.transaction import MAX_ID_BYTES
from kuntur.journal import entries
from kuntur.journal.entries import RequestKind
from kuntur.reasons.sentences import sentence_of
from kuntur.scores import Decision, Reason, Scores
from kuntur.validation.messages import Violation, outcome_violations
from kuntur.wire import write_score
from server.access.identity import MAX_IDENTITY
from server.errors import (
    InstitutionForeignError,
    InvalidFieldsError,
    ModelValueError,
    OutcomeConflictError,
    ServerError,
    TransactionConflictError,
    TransactionNotFoundError,
)
from server.rpc.errors import ErrorTable, fitted
from server.settings import largest
from server.settings.config import ConfigError, load_settings
from server.settings.largest import largest_entry
from server.settings.limits import Limits

_TABLE = ErrorTable(3600.0)
_ID, _VERSION = "é" * (MAX_ID_BYTES // 2), "m" * 128
_ATTRIBUTE = "attribute." + "a" * 64
_VALUES = (np.nan, 0.0, 1.0, -0.123456789, 123_456_789.9, 3.4e38, -3.4e38)


def longest_reason() -> Reason:
    """Returns the reason with the most to say."""
    rows = [np.full(len(FEATURE_NAMES), value) for value in _VALUES]
    texts = [
        (name, sentence_of(name).shown(value, row))
        for name in (*FEATURE_NAMES, _ATTRIBUTE)
        for row in rows
        for value in _VALUES
    ]
    name, text = max(texts, key=lambda found: len(found[0]) + len(found[1].encode()))
    return Reason(name, -1.5, -1.5, text)


@pytest.mark.parametrize("count", [0, 1, 5, 100])
def test_a_score_is_within_its_bound(count: int) -> None:
    scores = Scores(
        np.array([0.123456789], np.float32),
        np.array([Decision.DECLINE], np.int8),
        _VERSION,
        {0: (longest_reason(),) * count},
    )
    response = scoring_service_pb2.ScoreTransactionResponse.FromString(write_score([_ID], 0, scores))
    response.score.replayed = True
    result = score_pb2.ScoreResult(score=response.score)
    frame = scoring_service_pb2.ScoreStreamResponse(results=[result])
    assert frame.ByteSize() <= largest.SCORE_BYTES + count * largest.REASON_BYTES
    assert frame.ByteSize() > largest.REASON_BYTES // 2 * count  # not far beyond what there is


def test_the_error_of_another_transaction_is_within_its_bound() -> None:
    names = [field.name for field in transaction_pb2.Transaction.DESCRIPTOR.fields]
    for error in (
        TransactionConflictError(_ID, names),
        ModelValueError(_VERSION),
        InstitutionForeignError(_ID),
    ):
        result = score_pb2.ScoreResult(status=_TABLE.status(error))
        frame = scoring_service_pb2.ScoreStreamResponse(results=[result])
        assert frame.ByteSize() <= largest.CONFLICT_BYTES


def test_what_is_said_at_least_of_an_invalid_transaction_is_within_the_bound_of_one() -> None:
    long = Violation('attributes["' + "a" * 64 + '"]', "is not an attribute name: " + "x" * 100)
    error = InvalidFieldsError([long] * 1000, "transactions[65535].")
    for most in (0, 512, 4096):
        status = fitted(_TABLE.status(error), most)
        assert status.ByteSize() <= max(largest.CONFLICT_BYTES // 2, most)


def test_the_failure_of_an_outcome_is_within_its_bound() -> None:
    wrong = outcome_pb2.Outcome(transaction_id="i" * 999, institution_id="é" * 999, label=77)  # type: ignore[arg-type]
    wrong.reported_time.seconds, wrong.reported_time.nanos = -(1 << 62), -1
    failures: list[ServerError] = [
        InvalidFieldsError(list(outcome_violations(wrong, 2**62)), "outcomes[999999]."),
        InvalidFieldsError(list(outcome_violations(outcome_pb2.Outcome(), 2**62)), "outcomes[999999]."),
        InstitutionForeignError("é" * 999),
        TransactionNotFoundError(_ID),
        OutcomeConflictError(_ID),
    ]
    for error in failures:
        response = outcome_service_pb2.ReportOutcomesResponse()
        response.failures.add(index=999_999, status=_TABLE.status(error))
        assert response.ByteSize() <= largest.FAILURE_BYTES


def test_all_else_of_an_entry_is_within_its_bound() -> None:
    admission = entries.admission(
        RequestKind.SCORE_STREAM, [b"x"] * 10, range(2**20 - 100, 2**20), ["😀" * MAX_IDENTITY] * 10
    )
    bare = entries.admission(RequestKind.SCORE_STREAM, [b"x"] * 10)
    assert len(bare) <= largest.AROUND_BYTES
    assert len(admission) - len(bare) <= 100 * largest.PLACE_BYTES + 10 * largest.CALLER_BYTES


def test_the_defaults_fit() -> None:
    assert load_settings().journal.buffer_bytes >= largest_entry(Limits(), 5).size_bytes


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"limits": {"max_message_bytes": 64 << 20}}, "limits.max_message_bytes = 67108864"),
        ({"limits": {"max_request_outcomes": 100_000}}, "limits.max_request_outcomes = 100000"),
        (
            {"reasons": {"per_transaction": 100}},
            "limits.max_frame_transactions = 4096 with reasons.per_transaction = 100",
        ),
        ({"limits": {"max_frame_transactions": 65_536}}, "limits.max_frame_transactions = 65536"),
        ({"journal": {"buffer_bytes": 4 << 20}}, "journal.buffer_bytes = 4194304"),
    ],
)
def test_a_buffer_without_room_is_refused_with_both_settings_and_the_size(
    overrides: dict[str, dict[str, int]], words: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(None, overrides)
    told = str(caught.value)
    assert words in told
    size = int(told.partition("set journal.buffer_bytes to ")[2].partition(" ")[0])
    enough = {**overrides, "journal": {"buffer_bytes": size}}
    assert load_settings(None, enough).journal.buffer_bytes == size
    with pytest.raises(ConfigError):
        load_settings(None, {**overrides, "journal": {"buffer_bytes": size - 1}})
