"""Logistic regression on squeezed and standardised features: the plain model that others must beat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trainer.dataset.rows import TrainingRows
from trainer.models.base import Family, FittedModel, MarginGraph, Parameters, RoundCallback
from trainer.models.recipe import Value
from trainer.models.space import Domain, Range

if TYPE_CHECKING:
    import onnx

_LARGEST = float(np.finfo(np.float32).max)  # infinity counts as this: a weight of 0 times it must stay 0


def _squeezed(features: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Returns sign(x) log(1 + |x|): amounts and counts have long tails that a straight line cannot follow."""
    squeezed: npt.NDArray[Any] = np.sign(features) * np.log(np.abs(features) + features.dtype.type(1))
    return squeezed


class Linear(FittedModel):
    """Weights on squeezed and filled features; margins are log-odds before calibration.

    centre, scale, weights: float64 [columns]; a weight is for a feature divided by its spread, `scale` is
    one by that spread. The arithmetic is in double precision on both sides, so that the order in which a
    row is summed does not show.
    """

    def __init__(
        self,
        centre: npt.NDArray[np.float64],
        scale: npt.NDArray[np.float64],
        weights: npt.NDArray[np.float64],
        intercept: float,
    ) -> None:
        self.centre = centre
        self.weights = weights * scale
        self.intercept = intercept
        self._sizes = np.abs(weights) * (scale > 0)

    def margin(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Returns the weighted sums, float32 [n]."""
        squeezed = _squeezed(np.clip(features.astype(np.float64), -_LARGEST, _LARGEST))
        filled = np.where(np.isnan(squeezed), self.centre, squeezed)
        exact: npt.NDArray[np.float64] = ((filled - self.centre) * self.weights).sum(axis=1) + self.intercept
        return exact.astype(np.float32)

    def graph(self) -> MarginGraph:
        """Returns the same arithmetic; a sum by row instead of a matrix product, so that a row's bits do not
        depend on its neighbours.
        """
        # Imported here because every process of a search would wait for what only an export needs.
        import onnx
        from onnx import helper, numpy_helper

        nodes: list[onnx.NodeProto] = []

        def node(kind: str, inputs: list[str], output: str, **attributes: int) -> str:
            nodes.append(helper.make_node(kind, inputs, [output], **attributes))
            return output

        node("Cast", ["features"], "any_size", to=onnx.TensorProto.DOUBLE)
        node("Clip", ["any_size", "smallest", "largest"], "wide")
        node("Log", [node("Add", [node("Abs", ["wide"], "size"), "one"], "size_1")], "log_size")
        node("Mul", [node("Sign", ["wide"], "sign"), "log_size"], "squeezed")
        node("Where", [node("IsNaN", ["squeezed"], "is_unset"), "centre", "squeezed"], "filled")
        node("Mul", [node("Sub", ["filled", "centre"], "centred"), "weights"], "parts")
        node("Add", [node("ReduceSum", ["parts", "columns"], "sum", keepdims=0), "intercept"], "exact")
        node("Cast", ["exact"], "margin", to=onnx.TensorProto.FLOAT)
        constants = {
            "one": np.array([1], dtype=np.float64),
            "smallest": np.array(-_LARGEST, dtype=np.float64),
            "largest": np.array(_LARGEST, dtype=np.float64),
            "centre": self.centre,
            "weights": self.weights,
            "columns": np.array([1], dtype=np.int64),
            "intercept": np.array([self.intercept], dtype=np.float64),
        }
        return MarginGraph(nodes, [numpy_helper.from_array(value, name) for name, value in constants.items()])

    def importance(self) -> npt.NDArray[np.float64]:
        """Returns the share of each weight's size; columns are standardised, so sizes compare."""
        total = self._sizes.sum()
        return self._sizes / total if total > 0 else self._sizes


class LogisticFamily(Family):
    """scikit-learn's logistic regression."""

    name = "logistic_regression"
    parameters = ("inverse_penalty",)
    required = parameters
    grid = ("inverse_penalty",)

    def usual(self, max_rounds: int) -> dict[str, Value]:
        """Returns a light penalty."""
        del max_rounds
        return {"imbalance": "none", "inverse_penalty": 0.1}

    def space(self, max_rounds: int) -> dict[str, Domain]:
        """Returns the regularisation."""
        del max_rounds
        return {"inverse_penalty": Range(1e-4, 10.0, log=True)}

    def cost(self, parameters: Parameters) -> float:
        """Returns what a logarithm and a product a column come to, little beside any trees."""
        del parameters
        return 100.0

    def fit(
        self,
        rows: TrainingRows,
        parameters: Parameters,
        *,
        threads: int,
        seed: int,
        judge: npt.NDArray[np.float32] | None = None,
        on_round: RoundCallback | None = None,
    ) -> Linear:
        """Fits weights by L-BFGS; it has no rounds to report."""
        from sklearn.linear_model import LogisticRegression

        del judge, on_round, threads
        squeezed = _squeezed(rows.features)
        known = np.isfinite(squeezed)
        count = np.maximum(known.sum(axis=0), 1)
        centre = np.where(known, squeezed, np.float32(0)).sum(axis=0, dtype=np.float64) / count
        clean = np.where(known, squeezed - centre.astype(np.float32), np.float32(0))
        spread = np.sqrt((clean**2).mean(axis=0, dtype=np.float64))
        scale = np.where(spread > 1e-6, 1.0 / np.maximum(spread, 1e-6), 0.0)
        model = LogisticRegression(
            C=float(parameters["inverse_penalty"] or 1.0), max_iter=200, random_state=seed
        )
        model.fit(clean * scale.astype(np.float32), rows.label, sample_weight=rows.weight)
        return Linear(centre, scale, model.coef_[0].astype(np.float64), float(model.intercept_[0]))
