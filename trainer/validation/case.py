"""What is validated: the exported model, its scored test window, the rows that taught and calibrated it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from kuntur.bundle.bundle import Thresholds
from trainer.dataset.training_set import Dataset
from trainer.dataset.windows import Windows
from trainer.evaluation.bootstrap import Flags
from trainer.evaluation.segments import Segment
from trainer.models import Parameters
from trainer.settings.config import TrainerSettings
from trainer.sources.split import Split

Float32 = npt.NDArray[np.float32]


class Judged(Protocol):
    """The model that was judged.

    parameters: of its recipe; feature_names: its inputs in order; columns: their places in the windows; onnx:
    the graph.
    """

    @property
    def parameters(self) -> Parameters:
        """Settings of the recipe."""
        ...

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Inputs in order."""
        ...

    @property
    def columns(self) -> npt.NDArray[np.intp]:
        """Their places in the windows."""
        ...

    @property
    def onnx(self) -> bytes:
        """The exported graph."""
        ...

    @property
    def thresholds(self) -> Thresholds:
        """Where the advice changes."""
        ...


@dataclass(frozen=True, slots=True)
class Case:
    """A judged model with everything that its figures rest on.

    probability: float32 [test], its scores of the test window; rows: by role; names: of their columns;
    until_us: when the labels that judge were known.
    """

    model: Judged
    probability: Float32
    rows: Windows
    names: tuple[str, ...]
    dataset: Dataset
    split: Split
    until_us: int
    settings: TrainerSettings

    @property
    def account(self) -> npt.NDArray[np.int64]:
        """Accounts of the test window, int64 [test]."""
        return self.dataset.account[self.split.test]

    @property
    def segments(self) -> Mapping[str, Segment]:
        """Segments of the test window's rows."""
        return {name: each.rows(self.split.test) for name, each in self.dataset.segments.items()}

    @property
    def alert(self) -> Flags:
        """Rows of the test window that reach the review threshold, bool [test]."""
        reached: Flags = self.probability >= np.float32(self.model.thresholds.review)
        return reached

    @property
    def decline(self) -> Flags:
        """Rows of the test window that reach the decline threshold, bool [test]."""
        reached: Flags = self.probability >= np.float32(self.model.thresholds.decline)
        return reached

    def features(self, names: Iterable[str]) -> dict[str, Float32]:
        """Returns features of the test window by name, float32 [test]; without those that never vary."""
        columns = {name: place for place, name in enumerate(self.names)}
        values = self.rows.test.features
        return {name: values[:, columns[name]] for name in names if name in columns}
