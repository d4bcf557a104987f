"""What every candidate is: fitted on rows, it gives raw margins, here and as ONNX, and both must agree."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trainer.dataset.rows import TrainingRows
from trainer.models.recipe import Value
from trainer.models.space import Domain

if TYPE_CHECKING:
    import onnx

Parameters = Mapping[str, str | int | float | bool | None]
# Called with the rounds done and the raw margins of the judging rows; False stops the fit.
RoundCallback = Callable[[int, npt.NDArray[np.float32]], bool]
# Of each node: the node to its left, to its right (-1 in a leaf), the column, the threshold, and whether
# unset values go left.
TreeArrays = tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class MarginGraph:
    """A model as ONNX operators from `features` (float32 [n, columns]) to `margin` (float32 [n])."""

    nodes: list[onnx.NodeProto]
    initializers: list[onnx.TensorProto]


@dataclass(frozen=True, slots=True)
class Splits:
    """Every comparison of a tree model, for tests around it.

    column: int64 [m]; threshold: float32 [m], as rows of float32 meet it; parent: int64 [m], number of the
    comparison above, -1 at a root; right: bool [m], whether it lies on its parent's side of greater values;
    unset_left: bool [m], whether unset values go to the side of smaller ones, None where none ever meets a
    comparison; equal_left: whether a value that equals the threshold does.
    """

    column: npt.NDArray[np.int64]
    threshold: npt.NDArray[np.float32]
    parent: npt.NDArray[np.int64]
    right: npt.NDArray[np.bool_]
    unset_left: npt.NDArray[np.bool_] | None
    equal_left: bool

    @classmethod
    def of_trees(cls, trees: Iterable[TreeArrays], *, equal_left: bool, meets_unset: bool) -> Splits:
        """Gathers the comparisons of trees; the numbers of a tree's nodes stay in their order.

        meets_unset: whether unset values come to the trees, rather than something in their place.
        """
        parts: list[tuple[npt.NDArray[Any], ...]] = []
        count = 0
        for left, right, column, threshold, unset_left in trees:
            inner = np.flatnonzero(left != -1)
            parent = np.full(len(left), -1, dtype=np.int64)
            is_right = np.zeros(len(left), dtype=np.bool_)
            parent[left[inner]] = parent[right[inner]] = count + np.arange(len(inner))
            is_right[right[inner]] = True
            parts.append((column[inner], threshold[inner], parent[inner], is_right[inner], unset_left[inner]))
            count += len(inner)
        columns, thresholds, parents, rights, unset_lefts = (
            [np.concatenate(values) for values in zip(*parts, strict=True)] if parts else [np.zeros(0)] * 5
        )
        return cls(
            columns.astype(np.int64),
            thresholds.astype(np.float32),
            parents.astype(np.int64),
            rights.astype(np.bool_),
            unset_lefts.astype(np.bool_) if meets_unset else None,
            equal_left,
        )


class FittedModel(ABC):
    """A fitted estimator. Margins are higher for fraud; the scale is the family's own."""

    @abstractmethod
    def margin(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Returns raw margins by the training library itself, float32 [n]."""

    @abstractmethod
    def graph(self) -> MarginGraph:
        """Returns the model as ONNX operators."""

    def tree_values(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32] | None:
        """Returns what the leaf reached in each tree adds, float32 [n, trees]; None without trees."""
        del features
        return None

    def splits(self) -> Splits | None:
        """Returns every comparison; None for a model without trees."""
        return None

    @abstractmethod
    def importance(self) -> npt.NDArray[np.float64]:
        """Returns how much each column matters, float64 [columns], adding up to 1."""


class Family(ABC):
    """A kind of estimator."""

    name: str
    # What a recipe may say, what it must, and what a grid search varies.
    parameters: tuple[str, ...]
    required: tuple[str, ...]
    grid: tuple[str, ...]

    @abstractmethod
    def usual(self, max_rounds: int) -> dict[str, Value]:
        """Returns settings that are seldom bad: the search begins with them."""

    @abstractmethod
    def space(self, max_rounds: int) -> dict[str, Domain]:
        """Returns what a search may try of each setting."""

    @abstractmethod
    def cost(self, parameters: Parameters) -> float:
        """Estimates what a row costs to score: comparisons, or sums of as much work."""

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
