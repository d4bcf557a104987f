"""What becomes of a transaction for which the model returns no probability: NaN, infinity, 7 or −3.

Such a model is at fault, and its value says nothing about the customer. Depending on the settings the
transaction gets an error of its own, or goes to an analyst with the reason.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import structlog

from kuntur.scores import Reason, Scores

_LOG = structlog.get_logger(__name__)
REASON = Reason("", 0.0, 0.0, "The model gave no valid score for this transaction, so it is to be reviewed.")


class InvalidValues:
    """Handles the invalid values of models. Safe for threads."""

    def __init__(self, *, review: bool, count: Callable[[int], None]) -> None:
        """Takes whether such transactions are reviewed, rather than refused, and what counts them."""
        self._review = review
        self._count = count
        self._told = ""
        self._lock = threading.Lock()

    def handled(self, scores: Scores, review_threshold: float) -> Scores:
        """Counts invalid values, logs them once a model, and returns the scores to answer with.

        Args:
            scores: With `invalid` rows, and reasons if any were asked for.
            review_threshold: That of the model; a transaction to be reviewed gets it as its score.
        """
        self._count(len(scores.invalid))
        with self._lock:
            first, self._told = self._told != scores.model_version, scores.model_version
        if first:
            _LOG.error(
                "the model returns values that are not probabilities: roll back to the former model",
                model_version=scores.model_version,
            )
        reasons = dict(scores.reasons or {})
        if not self._review:
            for row in scores.invalid:
                reasons.pop(row, None)
            return scores._replace(reasons=reasons or None)
        rows = list(scores.invalid)
        probability = scores.probability.copy()
        probability[rows] = np.float32(review_threshold)
        reasons |= dict.fromkeys(rows, (REASON,))
        return scores._replace(probability=probability, reasons=reasons, invalid=())
