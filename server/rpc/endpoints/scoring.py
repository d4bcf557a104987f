"""ScoringService over bytes: reads, scores, writes the answer, and journals both."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, starmap

import numpy as np
import numpy.typing as npt
from google.rpc import status_pb2

from kuntur.scores import ReasonsMode, Scores
from kuntur.validation.messages import Violation
from kuntur.wire import Reading, write_frame, write_frames, write_score
from server.errors import InvalidFieldsError, ModelValueError
from server.journal import ExchangeKind
from server.rpc.calls.edge import Edge
from server.rpc.endpoints.intake import Intake, item_statuses
from server.scoring import Scorer

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
        if reading.reasons_mode:
            _check_mode(reading)
        reading, model = self._scorer.admit(reading)
        if reading.violations:
            raise InvalidFieldsError(reading.violations[0], "transaction.")
        scores = self._scorer.score(reading, model)
        if scores.invalid:  # it is counted, so a replay of the journal has to count it too
            self._intake.journal.append(ExchangeKind.SCORE_TRANSACTION, raw, b"")
            raise ModelValueError(scores.model_version)
        response = write_score(reading.ids, 0, scores)
        self._intake.journal.append(ExchangeKind.SCORE_TRANSACTION, raw, response)
        self._edge.metrics.scored(scores.decision)
        return response

    def score_transactions(self, raws: list[bytes]) -> list[bytes | Exception] | None:
        """Answers serialised ScoreTransactionRequests as if they came one after the other.

        Returns what `score_transaction` would return or raise for each; None, with nothing done, where they
        cannot be read together.
        """
        read = self._intake.read_together(raws, 1)
        if read is None:
            return None
        reading, _ = read
        outcomes: dict[int, bytes | Exception] = {}
        try:
            _check_mode(reading)
            reading, model = self._scorer.admit(reading)
            scores = self._scorer.score(reading, model)
        except Exception as error:
            outcomes |= dict.fromkeys(reading.places.tolist(), error)
        else:
            places = reading.places.tolist()
            for row, place in enumerate(places):
                invalid = row in scores.invalid
                response = b"" if invalid else write_score(reading.ids, place, scores, row)
                self._intake.journal.append(ExchangeKind.SCORE_TRANSACTION, raws[place], response)
                outcomes[place] = ModelValueError(scores.model_version) if invalid else response
            if places:
                self._edge.metrics.scored(scores.decision)
        outcomes |= {
            place: InvalidFieldsError(found, "transaction.") for place, found in reading.violations.items()
        }
        return [outcomes[place] for place in range(len(raws))]

    def score_frame(self, raw: bytes) -> bytes:
        """Answers a serialised ScoreStreamRequest."""
        reading = self._intake.read_frame(raw)
        _check_mode(reading)
        reading, model = self._scorer.admit(reading)
        scores = self._scorer.score(reading, model)
        statuses = item_statuses(reading, self._edge)
        response = self._write_frame(reading.ids, reading.places, scores, statuses)
        self._intake.journal.append(ExchangeKind.SCORE_STREAM, raw, response)
        if len(scores.decision):
            self._edge.metrics.scored(scores.decision)
        return response

    def score_frames(self, raws: list[bytes]) -> list[bytes] | None:
        """Answers serialised ScoreStreamRequests as if they came one after the other.

        Returns what `score_frame` would return for each; raises what it would raise for all. Returns None,
        with nothing done, where they cannot be read together, or a transaction is refused or could be refused
        for its attributes.
        """
        if self._scorer.rules is not None:
            return None
        read = self._intake.read_together(raws, self._intake.max_items)
        if read is None or read[0].violations:
            return None
        reading, sizes = read
        _check_mode(reading)
        scores = self._scorer.score(*self._scorer.admit(reading))
        self._edge.metrics.scored(scores.decision)
        if scores.invalid:
            responses = [
                self._write_frame(
                    reading.ids[rows], np.arange(rows.stop - rows.start), _cut(scores, rows), {}
                )
                for rows in starmap(slice, pairwise(np.cumsum([0, *sizes]).tolist()))
            ]
        else:
            responses = write_frames(reading.ids, scores, sizes)
        for raw, response in zip(raws, responses, strict=True):
            self._intake.journal.append(ExchangeKind.SCORE_STREAM, raw, response)
        return responses

    def _write_frame(
        self,
        ids: Sequence[str],
        places: npt.NDArray[np.int64],
        scores: Scores,
        statuses: dict[int, status_pb2.Status],
    ) -> bytes:
        """Returns a serialised ScoreStreamResponse, with a status for each invalid row."""
        if not scores.invalid:
            return write_frame(ids, places, scores, statuses)
        self._edge.metrics.items_refused(len(scores.invalid))
        status = self._edge.table.status(ModelValueError(scores.model_version))
        statuses |= {int(places[row]): status for row in scores.invalid}
        valid = np.setdiff1d(np.arange(len(places)), scores.invalid)
        rows = {int(row): new for new, row in enumerate(valid)}
        reasons = {rows[row]: causes for row, causes in (scores.reasons or {}).items()}
        kept = Scores(
            scores.probability[valid], scores.decision[valid], scores.model_version, reasons or None
        )
        return write_frame(ids, places[valid], kept, statuses)


def _cut(scores: Scores, rows: slice) -> Scores:
    """Returns the scores of consecutive rows."""
    reasons = {
        row - rows.start: each
        for row, each in (scores.reasons or {}).items()
        if rows.start <= row < rows.stop
    }
    invalid = tuple(row - rows.start for row in scores.invalid if rows.start <= row < rows.stop)
    return Scores(
        scores.probability[rows], scores.decision[rows], scores.model_version, reasons or None, invalid
    )


def _check_mode(reading: Reading) -> None:
    """Raises InvalidFieldsError for an unknown mode of reasons."""
    if reading.reasons_mode not in _MODES:
        raise InvalidFieldsError([Violation("reasons_mode", "is not a known mode")])
