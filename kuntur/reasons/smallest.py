"""The smallest explanation of each kind, with which their compiled code is run before there is a model."""

from __future__ import annotations

import numpy as np

from kuntur.reasons.linear import LinearExplanation
from kuntur.reasons.trees import TreeExplanation, Trees


def smallest_explanations() -> tuple[TreeExplanation, LinearExplanation]:
    """Returns a tree of one leaf and one weight, each of a model with one input."""
    zero, none = np.zeros(1), np.zeros(1, dtype=np.int32)
    trees = Trees(
        starts=np.array([0, 1], dtype=np.int64),
        right=none,
        column=none,
        threshold=zero.astype(np.float32),
        unset_left=zero.astype(np.bool_),
        cover=zero,
        value=zero,
    )
    return TreeExplanation(trees, 1, 0.0, 1.0), LinearExplanation(zero, zero + 1, 0.0, 1.0)
