"""Exact path-dependent TreeSHAP (Lundberg et al., 2020), compiled.

With v the value of a leaf, z_i the share of the training rows of the nodes that split on feature i which
goes on towards the leaf (the product over its splits on the way), and o_i = 1 where the row takes these
branches, 0 where it does not, the leaf adds to feature i

    v (o_i - z_i) ∫ ∏_{j≠i} (z_j (1 - t) + o_j t) dt,  t from 0 to 1,

which is the Shapley value of its game (Owen, 1972, Multilinear extensions of games; Yu et al., 2022, Linear
TreeShap, sum the same polynomials). With d features on the way the integrand is a polynomial of degree
d - 1, so that Gauss and Legendre's rule of d/2 points or more is no approximation. Leaves share their way:
one pass down a tree carries the product at each point, one pass up adds what lies below each branch, and a
feature that comes again replaces its earlier factor. That is two passes over the nodes, with no search for
subsets.

What the arrays hold is left to `kuntur.reasons.trees`.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from kuntur.compiled.inside.lanes import LANES, ascend, descend
from kuntur.compiled.native import native_free, native_free_ieee

FloatArray = npt.NDArray[np.float64]
MAX_FEATURES_ON_PATH = 128
MAX_PLACES = 1 << 32  # of the numbers of a tree's nodes, as SPLIT can tell them
SPLIT = np.dtype(
    [
        ("column", np.uint32),
        ("threshold", np.float32),
        ("unset_left", np.uint32),
        ("at", np.uint32),
        ("right_at", np.uint32),
        ("same_at", np.uint32),
        ("left_share", np.float64),
        ("right_share", np.float64),
        ("left_value", np.float64),
        ("right_value", np.float64),
    ]
)
"""A split of a tree, all that is known of it before a row comes.

at, right_at: places of the numbers of its node and of the branch to the right (to the left lies the next
node); same_at: of the nearest node above that was reached by a split on the same feature, or of the root;
shares: z of the branches; values: of the branches that are leaves, 1 for others.
"""
_NOTHING = 1e-9  # log-odds; below, it is rounding


def quadrature(features_on_path: int) -> tuple[FloatArray, FloatArray]:
    """Returns points and weights on 0 to 1, exact where at most so many features lie on a path.

    float64 [n] each, n a multiple of LANES.
    """
    count = LANES * max(1, math.ceil(features_on_path / (2 * LANES)))
    points, weights = np.polynomial.legendre.leggauss(count)
    return (points + 1.0) / 2.0, weights / 2.0


@native_free
def derive(starts, right, column, cover, parent, same, ratio, share):
    """Writes what follows from the arrays of trees; returns the most different features on a path.

    starts: int64 [trees + 1]; right, column: int32 [m]; cover: float64 [m]; written: parent: int32 [m];
    same: int32 [m], the nearest node above that was reached by a split on the same feature, or the root;
    ratio: float64 [m], share of the parent's cover; share: float64 [m], product of these ratios over the
    splits on the feature.
    """
    most = 0
    features = np.zeros(len(right), dtype=np.int32)
    for tree in range(len(starts) - 1):
        root = starts[tree]
        parent[root], same[root] = -1, root
        ratio[root] = share[root] = 1.0
        for node in range(root, starts[tree + 1]):
            if right[node] == 0:
                most = max(most, features[node])
                continue
            for child in (node + 1, np.int64(right[node])):
                parent[child] = node
                above = node
                while parent[above] >= 0 and column[parent[above]] != column[node]:
                    above = parent[above]
                same[child] = above
                features[child] = features[node] + (above == root)
                # Without any rows below, both branches count alike: nothing but a sum of 1 is needed.
                ratio[child] = (
                    cover[child] / (cover[node + 1] + cover[right[node]]) if cover[node] > 0 else 0.5
                )
                share[child] = ratio[child] * share[above]
    return most


@native_free
def expected(starts, right, parent, ratio, value):
    """Returns the mean of the trees' sums over the rows they were fitted on, by cover."""
    reach = np.empty(len(right), dtype=np.float64)
    total = 0.0
    for tree in range(len(starts) - 1):
        reach[starts[tree]] = 1.0
        for node in range(starts[tree], starts[tree + 1]):
            if node > starts[tree]:
                reach[node] = reach[parent[node]] * ratio[node]
            if right[node] == 0:
                total += reach[node] * value[node]
    return total


# Lets go of the interpreter's lock: with reasons asked for a whole frame this runs for half a second.
# No branch hangs on the row, which a processor would guess wrong every other time.
@native_free_ieee
def explain(rows, starts, splits, widest, points, weights, out):
    """Adds the contributions of trees to `out`, float64 [n, columns], in the units of their leaves' values.

    rows: float32 [n, columns]; splits: SPLIT [s] in the order of their nodes, with places for as many numbers
    a node as there are points; starts: int64 [trees + 1], first split of each tree and the number of all;
    widest: nodes of the largest tree; points, weights: as in `quadrature`.
    """
    count = len(points)
    # Of each node, `count` numbers:
    reach = np.empty(widest * count, dtype=np.float64)  # the product down to it; later the sum below it
    inverse = np.empty(widest * count, dtype=np.float64)  # of the factor of the feature that led there
    weight = np.empty(widest * count, dtype=np.float64)  # what the product is multiplied by for it
    on = np.empty(widest * count, dtype=np.float64)  # o; only the first number counts
    rest = 1.0 - points
    inverse[:count], weight[:count], on[0] = 1.0, 0.0, 1.0
    for tree in range(len(starts) - 1):  # trees outside, so that one stays in the cache for all rows
        first, end = starts[tree], starts[tree + 1]
        for row in range(len(rows)):
            reach[:count] = weights
            for n in range(first, end):
                split = splits[n]
                x = rows[row, split.column]
                goes_left = np.float64((x < split.threshold) | (np.isnan(x) & split.unset_left))
                left, right, same = split.at + count, split.right_at, split.same_at
                on_left = goes_left * on[same]
                on_right = on[same] - on_left
                on[left], on[right] = on_left, on_right
                for k in range(0, count, LANES):
                    descend(
                        reach, inverse, weight, rest, points, k,
                        split.at + k, left + k, right + k, same + k,
                        on_left, on_right, split.left_share, split.right_share,
                    )  # fmt: skip
            for n in range(end - 1, first - 1, -1):
                split = splits[n]
                left, right, same = split.at + count, split.right_at, split.same_at
                given = 0.0
                for k in range(0, count, LANES):
                    given += ascend(
                        reach, weight, split.at + k, left + k, right + k, same + k,
                        split.left_value, split.right_value,
                    )  # fmt: skip
                out[row, split.column] += given


@native_free
def strongest(contributions, places):
    """Writes the columns that moved each row most, strongest first, into int64 [n, count]; -1 for none.

    contributions: float64 [n, columns]; what is smaller than rounding does not count, and of equal ones the
    first comes first.
    """
    for row in range(len(contributions)):
        for rank in range(places.shape[1]):
            best, size = -1, _NOTHING
            for column in range(contributions.shape[1]):
                found = abs(contributions[row, column])
                if found > size:
                    taken = False
                    for earlier in range(rank):
                        taken |= places[row, earlier] == column
                    if not taken:
                        best, size = column, found
            places[row, rank] = best
