"""Random forest: regression trees on the label, whose mean is the share of fraud in the leaves reached.

On labels of 0 and 1 the squared error falls exactly as Gini's impurity does, so these are the trees of a
classifier, in the form that exports without a post-transform.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trainer.dataset.rows import TrainingRows
from trainer.models.base import Family, FittedModel, MarginGraph, Parameters, RoundCallback, Splits
from trainer.models.gradient_boosting import flat_margin
from trainer.models.recipe import Value
from trainer.models.space import Choice, Domain, Range

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestRegressor

# Rows that a tree draws, by weight; more make the same trees in more time, since the forest averages over
# what each one missed.
_ROWS_A_TREE = 40_000
_UNSET = np.float32(-1e6)  # below every value, so that one comparison sets the unset ones apart


def _filled(features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.where(np.isnan(features), _UNSET, features)


def _float32_below(threshold: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Returns the largest float32 that is not above: a float32 is above the one as it is above the other."""
    nearest = threshold.astype(np.float32)
    return np.where(nearest > threshold, np.nextafter(nearest, np.float32(-np.inf)), nearest)


class Forest(FittedModel):
    """A forest; margins are shares of fraud, 0 to 1, before calibration. Unset values count as `unset`."""

    unset = _UNSET

    def __init__(self, forest: RandomForestRegressor) -> None:
        self.forest = forest

    def margin(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Returns the mean share of fraud in the leaves reached, float32 [n]."""
        return np.asarray(self.forest.predict(_filled(features)), dtype=np.float32)

    def graph(self) -> MarginGraph:
        """Returns a TreeEnsembleRegressor behind the filling of unset values."""
        # Imported here because every process of a search would wait for what only an export needs.
        from onnx import helper, numpy_helper
        from skl2onnx import to_onnx
        from skl2onnx.common.data_types import FloatTensorType

        columns = self.forest.n_features_in_
        converted = to_onnx(self.forest, initial_types=[("features", FloatTensorType([None, columns]))])
        (tree,) = [node for node in converted.graph.node if node.op_type == "TreeEnsembleRegressor"]
        graph = flat_margin(tree)
        tree.input[0] = "filled"
        fill = [
            helper.make_node("IsNaN", ["features"], ["is_unset"]),
            helper.make_node("Where", ["is_unset", "unset", "features"], ["filled"]),
        ]
        constant = numpy_helper.from_array(np.array([_UNSET], dtype=np.float32), "unset")
        return MarginGraph(fill + graph.nodes, [*graph.initializers, constant])

    def tree_values(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Returns each tree's share of the mean, float32 [n, trees]."""
        leaves = self.forest.apply(_filled(features))
        values = np.empty(leaves.shape, dtype=np.float32)
        for number, tree in enumerate(self.forest.estimators_):
            values[:, number] = tree.tree_.value[leaves[:, number], 0, 0] / len(self.forest.estimators_)
        return values

    def splits(self) -> Splits:
        """Returns every comparison of every tree."""
        trees = (estimator.tree_ for estimator in self.forest.estimators_)
        arrays = (
            (
                t.children_left,
                t.children_right,
                t.feature,
                _float32_below(t.threshold),
                t.missing_go_to_left,
            )
            for t in trees
        )
        return Splits.of_trees(arrays, equal_left=True, meets_unset=False)

    def thresholds(self, tree: Any) -> npt.NDArray[np.float32]:
        """Returns the thresholds of one of the trees, float32 [nodes], as rows of float32 meet them."""
        return _float32_below(tree.tree_.threshold)

    def importance(self) -> npt.NDArray[np.float64]:
        """Returns the mean decrease in impurity by column."""
        return np.asarray(self.forest.feature_importances_, dtype=np.float64)


class RandomForest(Family):
    """scikit-learn's forest."""

    name = "random_forest"
    parameters = ("trees", "tree_depth", "column_share", "leaf_rows")
    required = parameters
    grid = ("tree_depth", "leaf_rows")

    def usual(self, max_rounds: int) -> dict[str, Value]:
        """Returns deep trees that look at a quarter of the columns."""
        del max_rounds
        return {
            "imbalance": "weight_sqrt",
            "trees": 40,
            "tree_depth": 12,
            "column_share": 0.25,
            "leaf_rows": 5,
        }

    def space(self, max_rounds: int) -> dict[str, Domain]:
        """Returns the number of trees, their depth and how many columns a split looks at."""
        del max_rounds
        return {
            "trees": Choice((20, 40, 60, 80)),
            "tree_depth": Range(6, 14, whole=True),
            "column_share": Range(0.15, 0.6),
            "leaf_rows": Range(2, 50, log=True, whole=True),
        }

    def cost(self, parameters: Parameters) -> float:
        """Returns trees times depth."""
        return float(parameters["trees"] or 0) * float(parameters["tree_depth"] or 0)

    def fit(
        self,
        rows: TrainingRows,
        parameters: Parameters,
        *,
        threads: int,
        seed: int,
        judge: npt.NDArray[np.float32] | None = None,
        on_round: RoundCallback | None = None,
    ) -> Forest:
        """Fits the forest; it has no rounds to report."""
        from sklearn.ensemble import RandomForestRegressor

        del judge, on_round
        forest = RandomForestRegressor(
            n_estimators=int(parameters["trees"] or 0),
            max_depth=int(parameters["tree_depth"] or 0),
            max_features=float(parameters["column_share"] or 0),
            min_samples_leaf=int(parameters["leaf_rows"] or 0),
            # A number: a share would be one of the weights' sum, which thinned rows have as all rows do.
            max_samples=min(len(rows), _ROWS_A_TREE),
            n_jobs=threads,
            random_state=seed,
        )
        forest.fit(_filled(rows.features), rows.label, sample_weight=rows.weight)
        return Forest(forest)
