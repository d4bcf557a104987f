"""XGBoost, with the settings that rare classes need.

`base_score` 0.5 and many bins: with an intercept estimated from 0.9 % of frauds the first hessians are so
small that `min_child_weight` forbids good splits, and 256 bins blur the tails in which fraud lies.
docs/detection.md has the measurement.
"""

from __future__ import annotations

import json
import math
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xgboost as xgb

from trainer.dataset.rows import TrainingRows
from trainer.models.base import Family, FittedModel, MarginGraph, Parameters, RoundCallback, Splits
from trainer.models.blocks import quantile_matrix
from trainer.models.recipe import COMMON, EARLY_STOPPING, SHIPPED, Value, parameters_in
from trainer.models.space import Choice, Domain, Range

if TYPE_CHECKING:
    import onnx

REPORT_ROUNDS = 20
_MAX_BIN = 1024  # where a recipe does not say
# What a search tries. No gamma: a search that has few frauds to go by gains nothing from a second brake on
# splits beside min_child_weight. max_delta_step keeps the first steps of a rare class from running away.
_TUNED: dict[str, Domain] = {
    "max_depth": Range(3, 8, whole=True),
    "learning_rate": Range(0.03, 0.3, log=True),
    "min_child_weight": Range(0.5, 20.0, log=True),
    "subsample": Range(0.6, 1.0),
    "colsample_bytree": Range(0.3, 1.0),
    "reg_lambda": Range(0.1, 20.0, log=True),
    "max_delta_step": Choice((0, 1, 5)),
}
# Where the shipped recipe says nothing; beyond depth and rate, what xgboost itself takes.
_USUAL: dict[str, Value] = {
    "max_depth": 5,
    "learning_rate": 0.08,
    "min_child_weight": 1.0,
    "subsample": 1.0,
    "colsample_bytree": 1.0,
    "reg_lambda": 1.0,
    "max_delta_step": 0,
}
# What a recipe may hand to xgboost as it is.
_OWN = (
    "max_depth", "learning_rate", "min_child_weight", "subsample", "colsample_bytree", "colsample_bynode",
    "reg_lambda", "reg_alpha", "gamma", "max_delta_step", "num_parallel_tree", "grow_policy", "max_leaves",
    "max_bin",
)  # fmt: skip
_ONNXMLTOOLS_OPSET = 15  # the newest that onnxmltools writes; the tree operator is of ai.onnx.ml anyway


class _Report(xgb.callback.TrainingCallback):  # type: ignore[misc]  # xgboost has no types
    """Hands the margins of the judging rows over every few rounds."""

    def __init__(self, judge: xgb.DMatrix, on_round: RoundCallback) -> None:
        super().__init__()
        self._judge = judge
        self._on_round = on_round

    def after_iteration(self, model: xgb.Booster, epoch: int, evals_log: object) -> bool:
        """Tells xgboost whether to stop."""
        del evals_log
        if (epoch + 1) % REPORT_ROUNDS:
            return False
        return not self._on_round(epoch + 1, model.predict(self._judge, output_margin=True))


class BoostedTrees(FittedModel):
    """A booster of `binary:logistic`; margins are log-odds before calibration."""

    def __init__(self, booster: xgb.Booster) -> None:
        self.booster = booster

    def margin(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Returns raw margins, float32 [n]."""
        margins: npt.NDArray[np.float32] = self.booster.inplace_predict(features, predict_type="margin")
        return margins

    def graph(self) -> MarginGraph:
        """Returns the trees as one TreeEnsembleRegressor without post-transform.

        The objective of a copy is changed to squared error, whose prediction is the margin itself, so that
        the converter has no reason to add a LOGISTIC.
        """
        # Imported here because every process of a search would wait for what only an export needs.
        from onnxmltools import convert_xgboost
        from onnxmltools.convert.common.data_types import FloatTensorType

        model = self.model()
        model["learner"]["objective"] = {
            "name": "reg:squarederror",
            "reg_loss_param": {"scale_pos_weight": "1"},
        }
        model["learner"]["learner_model_param"]["base_score"] = "[0E0]"
        plain = xgb.Booster()
        plain.load_model(bytearray(json.dumps(model).encode()))
        columns = int(model["learner"]["learner_model_param"]["num_feature"])
        converted = convert_xgboost(
            plain,
            initial_types=[("features", FloatTensorType([None, columns]))],
            target_opset=_ONNXMLTOOLS_OPSET,
        )
        (tree,) = converted.graph.node
        return flat_margin(tree)

    def tree_values(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Returns the value of the leaf reached in each tree, float32 [n, trees]."""
        leaves = self.booster.predict(xgb.DMatrix(features), pred_leaf=True)
        leaves = leaves.reshape(len(features), -1).astype(np.int64)
        values = np.empty(leaves.shape, dtype=np.float32)
        for number, tree in enumerate(self._trees):
            # For a leaf, xgboost keeps its value where an inner node has its condition.
            values[:, number] = np.asarray(tree["split_conditions"], dtype=np.float32)[leaves[:, number]]
        return values

    def splits(self) -> Splits:
        """Returns every comparison of every tree."""
        trees = (
            (
                np.asarray(tree["left_children"]),
                np.asarray(tree["right_children"]),
                np.asarray(tree["split_indices"]),
                np.asarray(tree["split_conditions"], dtype=np.float32),
                np.asarray(tree["default_left"], dtype=np.bool_),
            )
            for tree in self._trees
        )
        return Splits.of_trees(trees, equal_left=False, meets_unset=True)

    def importance(self) -> npt.NDArray[np.float64]:
        """Returns the share of the total gain by column."""
        gains = np.zeros(self.booster.num_features())
        for name, gain in self.booster.get_score(importance_type="total_gain").items():
            gains[int(name.removeprefix("f"))] = gain
        total = gains.sum()
        return gains / total if total > 0 else gains

    def model(self) -> dict[str, Any]:
        """Returns xgboost's own description of the model, as its JSON has it."""
        model: dict[str, Any] = json.loads(self.booster.save_raw("json"))
        return model

    @cached_property
    def _trees(self) -> list[dict[str, Any]]:
        """The trees; read once, since the export asks for them with every few thousand rows."""
        trees: list[dict[str, Any]] = self.model()["learner"]["gradient_booster"]["model"]["trees"]
        return trees


def bins_of(parameters: Parameters) -> int:
    """Returns how many bins a column has at the most."""
    return int(parameters.get("max_bin") or _MAX_BIN)


def booster_settings(parameters: Parameters, threads: int, seed: int) -> dict[str, Any]:
    """Returns what xgboost is told for a recipe, the number of rounds aside."""
    return {k: parameters[k] for k in _OWN if k in parameters} | {
        "objective": "binary:logistic",
        "base_score": 0.5,
        "tree_method": "hist",
        "max_bin": bins_of(parameters),
        "nthread": threads,
        "seed": seed,
        "verbosity": 0,
    }


def flat_margin(tree: onnx.NodeProto) -> MarginGraph:
    """Puts a tree operator between `features` and `margin`, flattening its [n, 1]."""
    from onnx import helper, numpy_helper

    tree.input[0], tree.output[0] = "features", "tree_sum"
    flatten = helper.make_node("Reshape", ["tree_sum", "flat"], ["margin"])
    return MarginGraph([tree, flatten], [numpy_helper.from_array(np.array([-1], dtype=np.int64), "flat")])


class GradientBoosting(Family):
    """XGBoost's histogram trees."""

    name = "xgboost"
    parameters = ("rounds", EARLY_STOPPING, *_OWN)
    grid = ("max_depth", "learning_rate")
    required = ("rounds", "max_depth", "learning_rate")

    def usual(self, max_rounds: int) -> dict[str, Value]:
        """Returns the shipped recipe, but as many rounds as there may be: the early ones are judged too."""
        shipped = parameters_in(SHIPPED)
        own: dict[str, Any] = {**COMMON, **shipped} if shipped["algorithm"] == self.name else {}
        return _USUAL | {k: v for k, v in own.items() if k != "algorithm"} | {"rounds": max_rounds}

    def space(self, max_rounds: int) -> dict[str, Domain]:
        """Returns what is tuned; rounds are the most, since the early ones are judged as they come."""
        return {**_TUNED, "rounds": Choice((max_rounds,))}

    def cost(self, parameters: Parameters) -> float:
        """Returns trees times depth, which max_leaves bounds where max_depth does not."""
        trees = float(parameters["rounds"] or 0) * float(parameters.get("num_parallel_tree") or 1)
        return trees * (
            float(parameters["max_depth"] or 0) or math.log2(float(parameters["max_leaves"] or 2))
        )

    def fit(
        self,
        rows: TrainingRows,
        parameters: Parameters,
        *,
        threads: int,
        seed: int,
        judge: npt.NDArray[np.float32] | None = None,
        on_round: RoundCallback | None = None,
    ) -> BoostedTrees:
        """Fits `rounds` trees, fewer when `on_round` says so."""
        matrix = quantile_matrix(rows, bins_of(parameters), threads)
        callbacks = []
        if judge is not None and on_round is not None:
            callbacks.append(_Report(xgb.DMatrix(judge, nthread=threads), on_round))
        settings = booster_settings(parameters, threads, seed)
        booster = xgb.train(settings, matrix, int(parameters["rounds"] or 0), callbacks=callbacks)
        return BoostedTrees(booster)
