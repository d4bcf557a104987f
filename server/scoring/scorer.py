"""Scores transactions from their features: the live model, then reasons."""

from __future__ import annotations

from kuntur.features import FeatureMatrix
from kuntur.scores import Scores
from kuntur.wire import Reading
from server.errors import NoLiveModelError
from server.models import LiveModel, LiveSlot
from server.scoring.attribute_census import AttributeCensus
from server.scoring.attribute_rules import AttributeRules
from server.scoring.invalid import InvalidValues
from server.scoring.reasons import ReasonGiver


class Scorer:
    """Scores frames with the live model. Safe for threads."""

    def __init__(
        self,
        slot: LiveSlot,
        reasons: ReasonGiver,
        invalid: InvalidValues,
        attributes: AttributeCensus,
        rules: AttributeRules,
    ) -> None:
        self._invalid = invalid
        self.rules = rules if rules else None  # None costs nothing on transactions with attributes
        self._attributes = attributes
        self._slot = slot
        self._reasons = reasons

    def admit(self, reading: Reading) -> tuple[Reading, LiveModel]:
        """Returns a frame without the transactions that the rules of attributes refuse, and the live model.

        `score` takes that very model, by whose attributes they were refused. Nothing is counted yet. Raises
        NoLiveModelError.
        """
        # Taken once: a swap between here and the answer must not mix two models in it.
        live = self._slot.live
        if live is None:
            raise NoLiveModelError
        model, batch = live.model, reading.batch
        if len(batch) and (batch.attributes or model.attributes):
            self._attributes.count(model.attributes, batch.attributes, len(batch), model.version)
            if self.rules is not None:
                reading = self.rules.kept(reading, model.attributes, model.version)
        return reading, model

    def score(self, reading: Reading, model: LiveModel, matrix: FeatureMatrix) -> Scores:
        """Scores the valid transactions of a frame with one model, with reasons as asked for.

        reading, model: from `admit`; matrix: float32 [n ≥ 1, len(CATALOGUE)], their features. Rows that are
        still `invalid` are to be answered with `ModelValueError`.
        """
        batch = reading.batch
        scores = model.score(matrix, batch.attributes)
        reasons = self._reasons.reasons(
            model, matrix, batch.attributes, scores.decision, reading.reasons_mode
        )
        if reasons is not None:
            scores = scores._replace(reasons=reasons)
        if scores.invalid:
            return self._invalid.handled(scores, model.manifest.thresholds.review)
        return scores
