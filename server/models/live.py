"""A loaded model, which scores and decides, and the slot that holds the live one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from kuntur.bundle.bundle import Manifest
from kuntur.compiled.native import native
from kuntur.features import FeatureMatrix, FeatureSelection
from kuntur.reasons import Explanation, Reasoner
from kuntur.scores import Decision, Scores
from kuntur.transaction import ATTRIBUTE_PREFIX
from server.models.inference import Inference

_APPROVE, _REVIEW, _DECLINE = int(Decision.APPROVE), int(Decision.REVIEW), int(Decision.DECLINE)


@native
def _decide(probability, review, decline, decision):  # type: ignore[no-untyped-def]  # numba has no types
    """Writes decisions, int8 [n], and returns how many values are no probability.

    Compiled: four steps of NumPy cost a lone transaction 6 µs.
    """
    invalid = 0
    for i, value in enumerate(probability):
        if not 0.0 <= value <= 1.0:  # a NaN too
            decision[i] = _REVIEW
            invalid += 1
        elif value >= decline:
            decision[i] = _DECLINE
        elif value < review:
            decision[i] = _APPROVE
        else:
            decision[i] = _REVIEW
    return invalid


def compile_decisions() -> None:
    """Compiles the decisions, so that no first model waits for the compiler."""
    _decide(np.zeros(1, np.float32), np.float32(0.5), np.float32(0.9), np.empty(1, np.int8))


class LiveModel:
    """A loaded model with its features and thresholds. Safe for threads."""

    def __init__(
        self, manifest: Manifest, inference: Inference, explanation: Explanation | None = None
    ) -> None:
        """Takes the manifest, the inference, and what explains its scores.

        infer: the inference, float32 [n, features of the model] to probabilities, float32 [n].
        """
        self.manifest = manifest
        self.reasoner = None if explanation is None else Reasoner(explanation, manifest.feature_names)
        self.attributes = frozenset(
            name.removeprefix(ATTRIBUTE_PREFIX)
            for name in manifest.feature_names
            if name.startswith(ATTRIBUTE_PREFIX)
        )
        self.version = manifest.model_version
        self.infer = inference
        self._selection = FeatureSelection(manifest.feature_names)
        # Compared as float32, as the trainer does: 0.7 and float32(0.7) differ in the last places.
        self._review = np.float32(manifest.thresholds.review)
        self._decline = np.float32(manifest.thresholds.decline)

    def inputs(self, matrix: FeatureMatrix, attributes: dict[str, npt.NDArray[np.float64]]) -> FeatureMatrix:
        """Returns the model's inputs, float32 [n, features of the model]; it takes what `score` takes."""
        return self._selection.take(matrix, attributes)

    def score(self, matrix: FeatureMatrix, attributes: dict[str, npt.NDArray[np.float64]]) -> Scores:
        """Scores transactions; rows for which the model returns no probability are named as invalid.

        matrix: the engine's output, float32 [n, len(CATALOGUE)]; attributes: as in `TransactionBatch`.
        """
        probability = self.infer(self.inputs(matrix, attributes))
        decision = np.empty(len(probability), dtype=np.int8)
        if _decide(probability, self._review, self._decline, decision):
            invalid = np.flatnonzero(~((probability >= 0) & (probability <= 1))).tolist()
            return Scores(probability, decision, self.version, invalid=tuple(invalid))
        return Scores(probability, decision, self.version)


@dataclass(frozen=True, slots=True)
class Live:
    """The live model and when it went live, an aware time in UTC."""

    model: LiveModel
    since: datetime


class LiveSlot:
    """Holds the live model: written by one thread, read by all.

    A reader takes `live` once for each frame; assigning it is atomic, so it sees the old or the new.
    """

    __slots__ = ("live",)

    def __init__(self) -> None:
        self.live: Live | None = None
