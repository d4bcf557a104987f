"""ScoringService over bytes: read, score, write, and into the journal."""

from __future__ import annotations

from kuntur.rules import Violation
from kuntur.wire import Reading, write_frame, write_score
from server.errors import InvalidFieldsError
from server.journal import ExchangeKind
from server.rpc.edge import Edge
from server.rpc.intake import Intake, item_statuses
from server.scoring import ReasonsMode, Scorer

_MODES = frozenset(map(int, ReasonsMode))


class ScoringEndpoint:
    """Answers ScoreTransaction and ScoreStream."""

    def __init__(self, edge: Edge, intake: Intake, scorer: Scorer) -> None:
        self._edge = edge
        self._intake = intake
        self._scorer = scorer

    def score_transaction(self, raw: bytes) -> bytes:
        """Answers a serialised ScoreTransactionRequest."""
        reading = self._intake.read_one(raw)
        _check_mode(reading)
        scores = self._scorer.score(reading)
        response = write_score(reading.ids[0], scores)
        self._intake.journal.append(ExchangeKind.SCORE_TRANSACTION, raw, response)
        self._edge.metrics.scored(scores.decision)
        return response

    def score_frame(self, raw: bytes) -> bytes:
        """Answers a serialised ScoreStreamRequest."""
        reading = self._intake.read_frame(raw)
        _check_mode(reading)
        scores = self._scorer.score(reading)
        response = write_frame(reading.ids, reading.places, scores, item_statuses(reading, self._edge))
        self._intake.journal.append(ExchangeKind.SCORE_STREAM, raw, response)
        if len(scores.decision):
            self._edge.metrics.scored(scores.decision)
        return response


def _check_mode(reading: Reading) -> None:
    """Raises InvalidFieldsError for a mode of reasons that there is not."""
    if reading.reasons_mode not in _MODES:
        raise InvalidFieldsError([Violation("reasons_mode", "is no known mode")])
