"""Scores taken apart: of each row the features that moved it most, in numbers and in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from kuntur.reasons import tree_shap
from kuntur.reasons.explanation import Explanation
from kuntur.reasons.sentences import Sentence, sentence_of
from kuntur.scores import Reason


class Reasoner:
    """Finds the reasons of one model's scores. Safe for threads."""

    def __init__(self, explanation: Explanation, names: Sequence[str]) -> None:
        """Takes what explains the model and the names of its inputs, in order."""
        self._explanation = explanation
        self._names = tuple(names)
        self._sentences: tuple[Sentence, ...] = tuple(map(sentence_of, names))

    def reasons(
        self, features: npt.NDArray[np.float32], rows: npt.NDArray[np.float32], count: int
    ) -> list[tuple[Reason, ...]]:
        """Returns up to `count` reasons of each row, strongest first; a contribution of 0 is none.

        features: the model's input, float32 [n, columns], C order; rows: the same transactions' whole rows of
        the catalogue, float32 [n, len(CATALOGUE)].
        """
        contributions = self._explanation.contributions(features)
        places = np.empty((len(features), min(count, contributions.shape[1])), dtype=np.int64)
        tree_shap.strongest(contributions, places)
        found = []
        for row, chosen in enumerate(places.tolist()):
            whole = rows[row].tolist()
            values, parts = features[row].tolist(), contributions[row].tolist()
            found.append(
                tuple(
                    Reason(
                        self._names[place],
                        values[place],
                        parts[place],
                        self._sentences[place].shown(values[place], whole),
                    )
                    for place in chosen
                    if place >= 0
                )
            )
        return found
