"""ScoringService over bytes: read, score, write, and into the journal."""

from __future__ import annotations

from kuntur.rules import Violation
from kuntur.wire import MalformedError, Reading, write_frame, write_score
from server.errors import FrameSizeError, InvalidFieldsError
from server.journal import ExchangeKind, JournalFailedError
from server.rpc.edge import Edge
from server.rpc.intake import Intake, item_statuses
from server.scoring import ReasonsMode, Scorer

_FIELD_1 = 0x0A  # number 1, of the type that states its length
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

    def score_transactions(self, raws: list[bytes]) -> list[bytes | Exception]:
        """Answers serialised ScoreTransactionRequests as if they came one after the other.

        Their bytes behind one another are those of a frame, so all are read, counted and inferred at once.
        Gives what `score_transaction` would give or raise for each.
        """
        reading = self._read_together(raws)
        if reading is None:
            return [self._outcome(raw) for raw in raws]
        outcomes: dict[int, bytes | Exception] = {
            place: InvalidFieldsError(found, "transaction.") for place, found in reading.violations.items()
        }
        places = reading.places.tolist()
        try:
            scores = self._scorer.score(reading)
        except Exception as error:
            outcomes |= dict.fromkeys(places, error)
        else:
            for row, place in enumerate(places):
                response = write_score(reading.ids[place], scores, row)
                try:
                    self._intake.journal.append(ExchangeKind.SCORE_TRANSACTION, raws[place], response)
                except JournalFailedError as error:
                    outcomes[place] = error
                else:
                    outcomes[place] = response
            if places:
                self._edge.metrics.scored(scores.decision)
        return [outcomes[place] for place in range(len(raws))]

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

    def _read_together(self, raws: list[bytes]) -> Reading | None:
        """Reads requests as one frame; None where they are better read one by one."""
        if not all(map(_holds_field_1_alone, raws)):
            return None
        try:
            return self._intake.read_frame(b"".join(raws))
        except (MalformedError, FrameSizeError):
            return None

    def _outcome(self, raw: bytes) -> bytes | Exception:
        try:
            return self.score_transaction(raw)
        except Exception as error:
            return error


def _holds_field_1_alone(raw: bytes) -> bool:
    """Tells whether a message of up to 16 KiB is one field of number 1 from its first byte to its last."""
    size = len(raw)
    if size < 3 or raw[0] != _FIELD_1:
        return False
    if raw[1] < 0x80:
        return raw[1] + 2 == size
    return raw[2] < 0x80 and (raw[1] & 0x7F | raw[2] << 7) + 3 == size


def _check_mode(reading: Reading) -> None:
    """Raises InvalidFieldsError for a mode of reasons that there is not."""
    if reading.reasons_mode not in _MODES:
        raise InvalidFieldsError([Violation("reasons_mode", "is no known mode")])
