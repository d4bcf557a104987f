"""Contributions to a sum of trees, from trees as arrays that are checked before they are used."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kuntur.reasons import tree_shap
from kuntur.reasons.explanation import Explanation, ExplanationError, FloatArray


@dataclass(frozen=True, slots=True)
class Trees:
    """Trees, one after the other, each with its nodes from the root down: left branch, then right branch.

    starts: int64 [trees + 1], first node of each tree and the number of all, m; right: int32 [m], the node to
    the right, 0 in a leaf (the one to the left is the next node); column: int32 [m] and threshold: float32
    [m], smaller values go left; unset_left: bool [m]; cover: float64 [m], weight of the training rows that
    came by; value: float64 [m], what a leaf adds.
    """

    starts: npt.NDArray[np.int64]
    right: npt.NDArray[np.int32]
    column: npt.NDArray[np.int32]
    threshold: npt.NDArray[np.float32]
    unset_left: npt.NDArray[np.bool_]
    cover: FloatArray
    value: FloatArray


class TreeExplanation(Explanation):
    """Path-dependent TreeSHAP of a sum of trees."""

    def __init__(self, trees: Trees, columns: int, offset: float, scale: float) -> None:
        """Takes trees, the number of columns, and what is added to their sum. Raises ExplanationError."""
        _check(trees, columns)
        if not np.isfinite([offset, scale]).all():
            raise ExplanationError("offset or scale is not finite")
        self._trees, self._offset = trees, offset
        self.columns, self.scale = columns, scale
        nodes = len(trees.right)
        parent, same = np.empty(nodes, dtype=np.int32), np.empty(nodes, dtype=np.int32)
        ratio, share = np.empty(nodes), np.empty(nodes)
        most = tree_shap.derive(
            trees.starts, trees.right, trees.column, trees.cover, parent, same, ratio, share
        )
        if most > tree_shap.MAX_FEATURES_ON_PATH:
            raise ExplanationError(f"{most} features lie on one path, above {tree_shap.MAX_FEATURES_ON_PATH}")
        self._points, self._weights = tree_shap.quadrature(most)
        self._widest = int(np.diff(trees.starts).max(initial=1))
        if self._widest * len(self._points) > tree_shap.MAX_PLACES:
            raise ExplanationError(f"a tree of {self._widest} nodes is too large")
        self._splits, self._starts = _splits(trees, same, share, len(self._points))
        self.base = offset + float(tree_shap.expected(trees.starts, trees.right, parent, ratio, trees.value))

    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Returns the trees."""
        trees = self._trees
        return {
            "offset": np.array(self._offset, dtype=np.float64),
            "starts": trees.starts,
            "right": trees.right,
            "column": trees.column,
            "threshold": trees.threshold,
            "unset_left": trees.unset_left,
            "cover": trees.cover,
            "value": trees.value,
        }

    def in_margin(self, features: npt.NDArray[np.float32]) -> FloatArray:
        """Returns the Shapley values of each row, float64 [n, columns]."""
        out = np.zeros(features.shape, dtype=np.float64)
        tree_shap.explain(
            features, self._starts, self._splits, self._widest, self._points, self._weights, out
        )
        return out


def _splits(
    trees: Trees, same: npt.NDArray[np.int32], share: FloatArray, count: int
) -> tuple[npt.NDArray[np.void], npt.NDArray[np.int64]]:
    """Returns the splits of trees as `tree_shap.explain` takes them, and where each tree's begin.

    same, share: as `tree_shap.derive` writes them; count: numbers a node.
    """
    node = np.flatnonzero(trees.right)
    root = np.repeat(trees.starts[:-1], np.diff(trees.starts))[node]
    left, right = node + 1, trees.right[node].astype(np.int64)
    value = np.where(trees.right == 0, trees.value, 1.0)
    splits = np.empty(len(node), dtype=tree_shap.SPLIT)
    splits["column"], splits["threshold"] = trees.column[node], trees.threshold[node]
    splits["unset_left"] = trees.unset_left[node]
    splits["at"], splits["right_at"] = (node - root) * count, (right - root) * count
    splits["same_at"] = (same[left] - root) * count
    splits["left_share"], splits["right_share"] = share[left], share[right]
    splits["left_value"], splits["right_value"] = value[left], value[right]
    return splits, np.searchsorted(node, trees.starts)


def _check(trees: Trees, columns: int) -> None:
    """Raises ExplanationError unless the arrays are trees: the compiled code looks at no bounds."""
    starts, right, nodes = trees.starts, trees.right.astype(np.int64), len(trees.right)
    for name in ("column", "threshold", "unset_left", "cover", "value"):
        if getattr(trees, name).shape != (nodes,):
            raise ExplanationError(f"{name} is not one number a node")
    within = (starts >= 0) & (starts <= nodes)  # first, so that no difference of two leaves 64 bits
    if (
        len(starts) < 1
        or not within.all()
        or starts[0] != 0
        or starts[-1] != nodes
        or (np.diff(starts) < 1).any()
    ):
        raise ExplanationError("the starts of the trees are not ascending from 0 to the number of nodes")
    inner = np.flatnonzero(right)
    ends = np.repeat(starts[1:], np.diff(starts))  # of the tree that each node is in
    if (right[inner] <= inner + 1).any() or (right >= ends).any() or (right < 0).any():
        raise ExplanationError("a right branch does not lie behind the left one in its tree")
    # Every node but the roots is the branch of one node: with the order above, these are trees.
    children = np.sort(np.concatenate([inner + 1, right[inner], starts[:-1]]))
    if not np.array_equal(children, np.arange(nodes)):
        raise ExplanationError("a node is reached from two others, or from none")
    if ((trees.column < 0) | (trees.column >= columns)).any():
        raise ExplanationError(f"a split is on a column beyond the {columns} there are")
    if np.isnan(trees.threshold[inner]).any():
        raise ExplanationError("a threshold is not a number")
    if not (np.isfinite(trees.cover).all() and (trees.cover >= 0).all() and np.isfinite(trees.value).all()):
        raise ExplanationError("covers are not finite and positive, or values not finite")
    below = trees.cover[inner + 1] + trees.cover[right[inner]]
    if ((trees.cover[inner] > 0) & ~(below > 0)).any():
        raise ExplanationError("a node has rows and its branches have none")
