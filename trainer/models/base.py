"""What every candidate is: fitted on rows, it gives raw margins, here and as ONNX, and both must agree."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx

from trainer.rows import TrainingRows

Parameters = Mapping[str, str | int | float | bool | None]
# Called with the rounds done and the raw margins of the judging rows; False stops the fit.
RoundCallback = Callable[[int, npt.NDArray[np.float32]], bool]


@dataclass(frozen=True, slots=True)
class MarginGraph:
    """A model as ONNX operators from `features` (float32 [n, columns]) to `margin` (float32 [n])."""

    nodes: list[onnx.NodeProto]
    initializers: list[onnx.TensorProto]


@dataclass(frozen=True, slots=True)
class Splits:
    """Every comparison of a tree model, for tests around it: column int64 [m] and threshold float32 [m]."""

    column: npt.NDArray[np.int64]
    threshold: npt.NDArray[np.float32]


class FittedModel(ABC):
    """A fitted estimator. Margins are higher for fraud; the scale is the family's own."""

    @abstractmethod
    def margin(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Gives raw margins by the training library itself, float32 [n]."""

    @abstractmethod
    def graph(self) -> MarginGraph:
        """Gives the model as ONNX operators."""

    def tree_values(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32] | None:
        """Gives what the leaf reached in each tree adds, float32 [n, trees]; None without trees."""
        del features
        return None

    def splits(self) -> Splits | None:
        """Gives every comparison; None for a model without trees."""
        return None

    @abstractmethod
    def importance(self) -> npt.NDArray[np.float64]:
        """Gives how much each column matters, float64 [columns], adding up to 1."""


class Family(ABC):
    """A kind of estimator."""

    name: str

    @abstractmethod
    def usual(self, max_rounds: int) -> dict[str, str | int | float]:
        """Gives settings that are seldom bad: the search begins with them."""

    @abstractmethod
    def suggest(self, trial: object, max_rounds: int) -> None:
        """Draws settings from the search space through an Optuna trial."""

    @abstractmethod
    def fit(
        self,
        rows: TrainingRows,
        parameters: Parameters,
        *,
        threads: int,
        seed: int,
        judge: npt.NDArray[np.float32] | None = None,
        on_round: RoundCallback | None = None,
    ) -> FittedModel:
        """Fits a model. A family with rounds reports the margins of `judge` as it goes."""
