"""What a bundle carries for reasons: the fitted model as an explanation, proved against its margins.

The arithmetic is the kernel's (`kuntur.reasons`); here a model of the training library becomes its data.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kuntur.reasons import (
    Explanation,
    LinearExplanation,
    TreeExplanation,
    Trees,
    largest_gap,
    read_explanation,
    write_explanation,
)
from trainer.calibration import Calibration
from trainer.export.parity import ParityError
from trainer.models.base import FittedModel
from trainer.models.forest import Forest
from trainer.models.gradient_boosting import BoostedTrees
from trainer.models.linear import Linear

TOLERANCE = 1e-4
_MAX_ROWS = 2_000


@dataclass(frozen=True, slots=True)
class _Nodes:
    """A tree in the order of its library: left and right are -1 in a leaf, smaller values go left."""

    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    column: npt.NDArray[np.int64]
    threshold: npt.NDArray[np.float32]
    unset_left: npt.NDArray[np.bool_]
    cover: npt.NDArray[np.float64]
    value: npt.NDArray[np.float64]


def build_explanation(
    model: FittedModel, calibration: Calibration, features: npt.NDArray[np.float32]
) -> bytes | None:
    """Returns the contents of a bundle's explanation; None for a model that there are no reasons for.

    features: float32 [n, columns of the model], at least one row, on some of which the contributions are
    added up and held against the model's own margins. Raises ParityError where they differ.
    """
    rows = features[np.linspace(0, len(features) - 1, num=min(len(features), _MAX_ROWS)).astype(np.intp)]
    rows = np.ascontiguousarray(rows, dtype=np.float32)
    margin = model.margin(rows)
    if isinstance(model, BoostedTrees):
        explanation: Explanation = _of_booster(model, rows.shape[1])
    elif isinstance(model, Forest):
        explanation = _of_forest(model, rows.shape[1], calibration, margin)
    elif isinstance(model, Linear):
        explanation = LinearExplanation(model.centre, model.weights, model.intercept, 1.0)
    else:
        return None
    content = write_explanation(explanation)
    gap = largest_gap(read_explanation(content, rows.shape[1]), rows, margin)
    if not gap <= TOLERANCE:
        raise ParityError(f"contributions and base miss the margin by {gap:.3g}")
    return content


def _of_booster(model: BoostedTrees, columns: int) -> TreeExplanation:
    document = model.model()["learner"]
    base = float(document["learner_model_param"]["base_score"].strip("[]"))
    trees = (
        _Nodes(
            np.asarray(tree["left_children"], dtype=np.int64),
            np.asarray(tree["right_children"], dtype=np.int64),
            np.asarray(tree["split_indices"], dtype=np.int64),
            np.asarray(tree["split_conditions"], dtype=np.float32),
            np.asarray(tree["default_left"], dtype=np.bool_),
            np.asarray(tree["sum_hessian"], dtype=np.float64),
            # For a leaf, xgboost keeps its value where an inner node has its condition.
            np.asarray(tree["split_conditions"], dtype=np.float32).astype(np.float64),
        )
        for tree in document["gradient_booster"]["model"]["trees"]
    )
    return TreeExplanation(_joined(trees), columns, math.log(base / (1.0 - base)), 1.0)


def _of_forest(
    model: Forest, columns: int, calibration: Calibration, margin: npt.NDArray[np.float32]
) -> TreeExplanation:
    """A forest's margin is a share of fraud: its contributions are scaled to log-odds."""
    count = len(model.forest.estimators_)
    splits = ((estimator.tree_, model.thresholds(estimator)) for estimator in model.forest.estimators_)
    trees = (
        _Nodes(
            np.asarray(tree.children_left, dtype=np.int64),
            np.asarray(tree.children_right, dtype=np.int64),
            np.asarray(tree.feature, dtype=np.int64),
            np.nextafter(threshold, np.float32(np.inf)),  # what equals the threshold goes left here
            model.unset <= threshold,
            np.asarray(tree.weighted_n_node_samples, dtype=np.float64),
            np.asarray(tree.value[:, 0, 0], dtype=np.float64) / count,
        )
        for tree, threshold in splits
    )
    joined = _joined(trees)
    base = TreeExplanation(joined, columns, 0.0, 1.0).base
    return TreeExplanation(joined, columns, 0.0, _log_odds_a_unit(calibration, base, margin))


def _log_odds_a_unit(calibration: Calibration, base: float, margin: npt.NDArray[np.float32]) -> float:
    """Returns the slope of the straight line through the calibrated base that lies nearest to the margins'.

    Of Platt's calibration that is its slope. By least squares, so that rows far from the base count most:
    they are those that anyone asks reasons for.
    """
    away = margin.astype(np.float64) - base
    spread = float((away**2).sum())
    if spread == 0.0:
        return 1.0
    rise = calibration.log_odds(base + away) - calibration.log_odds(np.array([base]))
    return float((away * rise).sum()) / spread


def _joined(trees: Iterable[_Nodes]) -> Trees:
    """Puts the nodes of all trees into the order of `Trees`; those that pruning left behind are dropped."""
    parts, starts, rights = [], [0], []
    for tree in trees:
        order, right = _preorder(tree, starts[-1])
        taken = np.array(order, dtype=np.intp)
        leaf = tree.left[taken] == -1
        parts.append(
            (
                np.where(leaf, 0, tree.column[taken]),
                np.where(leaf, np.float32(0), tree.threshold[taken]),
                np.where(leaf, False, tree.unset_left[taken]),
                tree.cover[taken],
                np.where(leaf, tree.value[taken], 0.0),
            )
        )
        rights.append(np.array(right, dtype=np.int32))
        starts.append(starts[-1] + len(order))
    columns = zip(*parts, strict=True) if parts else iter([[np.zeros(0)]] * 5)
    column, threshold, unset_left, cover, value = (np.concatenate(list(values)) for values in columns)
    return Trees(
        starts=np.array(starts, dtype=np.int64),
        right=np.concatenate(rights) if rights else np.zeros(0, dtype=np.int32),
        column=column.astype(np.int32),
        threshold=threshold.astype(np.float32),
        unset_left=unset_left.astype(np.bool_),
        cover=cover.astype(np.float64),
        value=value.astype(np.float64),
    )


def _preorder(tree: _Nodes, start: int) -> tuple[list[int], list[int]]:
    """Returns the nodes, left branches first, and where in all trees each one's right branch is."""
    left, right = tree.left.tolist(), tree.right.tolist()
    order: list[int] = []
    places: list[int] = []
    waiting = [(0, -1)]  # a node, and the one whose right branch it is
    while waiting:
        node, above = waiting.pop()
        if above >= 0:
            places[above] = start + len(order)
        at = len(order)
        order.append(node)
        places.append(0)
        if left[node] != -1:
            waiting.append((right[node], at))
            waiting.append((left[node], -1))
    return order, places
