"""ScoringService over bytes: reads, lets enter, scores, and gives the answer."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, starmap

import numpy as np
import numpy.typing as npt
from google.rpc import status_pb2

from kuntur.journal.entries import RequestKind
from kuntur.scores import ReasonsMode, Scores
from kuntur.validation.messages import Violation
from kuntur.wire import Reading, write_frame, write_frames, write_score
from server.access import Caller
from server.errors import InstitutionForeignError, InvalidFieldsError, ModelValueError
from server.rpc.calls.edge import Edge
from server.rpc.endpoints.answering import Answering, Entered, Given, rows_of
from server.rpc.endpoints.intake import Intake, item_statuses
from server.scoring import Scorer

_MODES = frozenset(map(int, ReasonsMode))


class ScoringEndpoint:
    """Answers ScoreTransaction and ScoreStream."""

    def __init__(self, edge: Edge, intake: Intake, scorer: Scorer, answering: Answering) -> None:
        self._edge = edge
        self._intake = intake
        self._scorer = scorer
        self._answering = answering

    def score_transaction(self, raw: bytes, caller: Caller) -> bytes:
        """Answers a serialised ScoreTransactionRequest."""
        reading = self._intake.read_one(raw, caller)
        if reading.reasons_mode:
            _check_mode(reading)
        reading, model = self._scorer.admit(reading)
        if reading.violations:
            raise InvalidFieldsError(reading.violations[0], "transaction.")
        entered = self._answering.enter(RequestKind.SCORE_TRANSACTION, [raw], [caller], reading)
        scores = self._scorer.score(reading, model, entered.admitted.features)
        if entered.settled is None:
            if scores.invalid:
                raise ModelValueError(scores.model_version)
            response = write_score(reading.ids, 0, scores)
            if self._answering.give_new(entered, [response]):
                self._edge.metrics.scored(scores.decision)
                return response
        outcome = self._given_transactions(entered, scores)[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def score_transactions(self, raws: list[bytes], callers: list[Caller]) -> list[bytes | Exception] | None:
        """Answers serialised ScoreTransactionRequests as if they came one after the other.

        Returns what `score_transaction` would return or raise for each; None, with nothing done, where they
        cannot be read together.
        """
        read = self._intake.read_together(raws, callers, 1)
        if read is None:
            return None
        reading, _ = read
        outcomes: dict[int, bytes | Exception] = {}
        try:
            _check_mode(reading)
            reading, model = self._scorer.admit(reading)
            if len(reading.batch):
                entered = self._answering.enter(RequestKind.SCORE_TRANSACTION, raws, callers, reading)
                scores = self._scorer.score(reading, model, entered.admitted.features)
                outcomes |= self._given_transactions(entered, scores)
        except Exception as error:
            outcomes |= dict.fromkeys(reading.places.tolist(), error)
        outcomes |= {
            place: InvalidFieldsError(found, "transaction.") for place, found in reading.violations.items()
        }
        outcomes |= {
            place: InstitutionForeignError(institution) for place, institution in reading.foreign.items()
        }
        return [outcomes[place] for place in range(len(raws))]

    def score_frame(self, raw: bytes, caller: Caller) -> bytes:
        """Answers a serialised ScoreStreamRequest."""
        reading = self._intake.read_frame(raw, caller)
        _check_mode(reading)
        reading, model = self._scorer.admit(reading)
        statuses = item_statuses(reading, self._edge, caller, "ScoreStream")
        if len(reading.batch) == 0:
            return write_frame(reading.ids, reading.places, _nothing(model.version), statuses)
        entered = self._answering.enter(RequestKind.SCORE_STREAM, [raw], [caller], reading)
        scores = self._scorer.score(reading, model, entered.admitted.features)
        response = self._write_frame(reading.ids, reading.places, scores, statuses)
        return self._given_frames(entered, scores, [response])[0]

    def score_frames(self, raws: list[bytes], callers: list[Caller]) -> list[bytes] | None:
        """Answers serialised ScoreStreamRequests as if they came one after the other.

        Returns what `score_frame` would return for each; raises what it would raise for all. Returns None,
        with nothing done, where they cannot be read together, or a transaction is refused or could be refused
        for its attributes.
        """
        if self._scorer.rules is not None:
            return None
        read = self._intake.read_together(raws, callers, self._intake.max_items)
        if read is None or read[0].violations or read[0].foreign:
            return None
        reading, sizes = read
        _check_mode(reading)
        reading, model = self._scorer.admit(reading)
        entered = self._answering.enter(RequestKind.SCORE_STREAM, raws, callers, reading)
        scores = self._scorer.score(reading, model, entered.admitted.features)
        if scores.invalid:
            responses = [
                self._write_frame(
                    reading.ids[rows], np.arange(rows.stop - rows.start), _cut(scores, rows), {}
                )
                for rows in starmap(slice, pairwise(np.cumsum([0, *sizes]).tolist()))
            ]
        else:
            responses = write_frames(reading.ids, scores, sizes)
        return self._given_frames(entered, scores, responses)

    def _given_transactions(self, entered: Entered, scores: Scores) -> dict[int, bytes | Exception]:
        """Returns what calls are answered, by place."""
        reading, places = entered.reading, entered.reading.places.tolist()
        responses = [b""] * len(entered.requests)
        for row, place in enumerate(places):
            if row not in scores.invalid:
                responses[place] = write_score(reading.ids, place, scores, row)
        if not scores.invalid and self._answering.give_new(entered, responses):
            self._edge.metrics.scored(scores.decision)
            return dict(zip(places, [responses[place] for place in places], strict=True))
        given = self._answering.give(entered, responses, [places[row] for row in scores.invalid])
        self._count(entered, scores, given)
        conflicts = given.settled.conflicts if given.settled is not None else {}
        return {
            place: given.responses[place] or conflicts.get(place) or ModelValueError(scores.model_version)
            for place in places
        }

    def _given_frames(self, entered: Entered, scores: Scores, responses: list[bytes]) -> list[bytes]:
        """Returns what frames are answered."""
        if not scores.invalid and self._answering.give_new(entered, responses):
            self._edge.metrics.scored(scores.decision)
            return responses
        places = entered.reading.places.tolist()
        given = self._answering.give(entered, responses, [places[row] for row in scores.invalid])
        self._count(entered, scores, given)
        if given.settled is not None:
            self._edge.metrics.items_refused(len(given.settled.conflicts))
        return given.responses

    def _count(self, entered: Entered, scores: Scores, given: Given) -> None:
        """Counts what was scored and what was answered again."""
        decisions, settled = scores.decision, given.settled
        if settled is not None:
            self._edge.metrics.replayed(len(settled.scores) + len(settled.same))
            decisions = decisions[rows_of(entered.reading.places, settled.places)]
            if len(decisions) == 0:
                return
        self._edge.metrics.scored(decisions)

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


def _nothing(model_version: str) -> Scores:
    """Returns the scores of a frame without a valid transaction."""
    return Scores(np.empty(0, np.float32), np.empty(0, np.int8), model_version)


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
