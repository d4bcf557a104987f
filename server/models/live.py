"""A model that scores, and the place where the live one stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from kuntur.bundle import Manifest
from kuntur.features import FeatureMatrix, FeatureSelection
from kuntur.wire import Scores

INPUT, OUTPUT = "features", "probability"
_REVIEW = 2  # APPROVE stands before and DECLINE after, as in the protobuf enum Decision


class LiveModel:
    """A loaded model with its features and thresholds. Safe for threads."""

    def __init__(self, manifest: Manifest, session: Any) -> None:
        """Takes the manifest and an ONNX Runtime session that keeps the model's contract."""
        self.manifest = manifest
        self.version = manifest.model_version
        self._run = session.run
        self._selection = FeatureSelection(manifest.feature_names)
        # Compared as float32, as the trainer does: 0.7 and float32(0.7) differ in the last places.
        self._review = np.float32(manifest.thresholds.review)
        self._decline = np.float32(manifest.thresholds.decline)

    def infer(self, features: FeatureMatrix) -> npt.NDArray[np.float32]:
        """Gives the probabilities, float32 [n], of inputs, float32 [n, features of the model]."""
        probability: npt.NDArray[np.float32] = self._run((OUTPUT,), {INPUT: features})[0]
        return probability

    def score(self, matrix: FeatureMatrix, attributes: dict[str, npt.NDArray[np.float64]]) -> Scores:
        """Scores transactions.

        matrix: the engine's output, float32 [n, len(CATALOGUE)]; attributes: as in `TransactionBatch`.
        """
        probability = self.infer(self._selection.take(matrix, attributes))
        # Written so that a NaN, which no sound model gives, falls to an analyst and not through.
        decision = (probability >= self._decline).astype(np.int8)
        decision -= probability < self._review
        decision += _REVIEW
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
