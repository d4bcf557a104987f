"""Which scores of a frame carry reasons, and what these are, from the values that were scored."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from kuntur.features import FeatureMatrix
from kuntur.scores import Decision, Reason, ReasonsMode
from server.models import LiveModel

_REVIEW = int(Decision.REVIEW)


def reasoned_rows(decision: npt.NDArray[np.int8], mode: int) -> npt.NDArray[np.intp]:
    """Returns the rows whose scores carry reasons, ascending; decision: numbers of Decision."""
    if mode == ReasonsMode.ALL:
        return np.arange(len(decision))
    return np.flatnonzero(decision >= _REVIEW)


class ReasonGiver:
    """Finds the reasons of scores. Safe for threads: it holds no lock and changes nothing."""

    def __init__(self, per_transaction: int, observe: Callable[[int, float], None]) -> None:
        """Takes the most reasons of a score, and what is told how many scores got any, in what time."""
        self._count = per_transaction
        self._observe = observe

    def reasons(
        self,
        model: LiveModel,
        matrix: FeatureMatrix,
        attributes: dict[str, npt.NDArray[np.float64]],
        decision: npt.NDArray[np.int8],
        mode: int,
    ) -> Mapping[int, tuple[Reason, ...]] | None:
        """Returns the reasons by row; None when no score carries any.

        matrix, attributes: what was scored, as `LiveModel.score` takes it; decision: the decisions on it.
        """
        reasoner = model.reasoner
        if reasoner is None or self._count == 0 or mode == ReasonsMode.NONE:
            return None
        # Most calls have one transaction below the threshold: they should not pay for arrays.
        if mode == ReasonsMode.REVIEWED and len(decision) == 1 and decision[0] < _REVIEW:
            return None
        rows = reasoned_rows(decision, mode)
        if not len(rows):
            return None
        start = time.perf_counter()
        chosen = matrix[rows]
        given = {name: values[rows] for name, values in attributes.items()}
        found = reasoner.reasons(model.inputs(chosen, given), chosen, self._count)
        self._observe(len(rows), time.perf_counter() - start)
        return dict(zip(rows.tolist(), found, strict=True))
