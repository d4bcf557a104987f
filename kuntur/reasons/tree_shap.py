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
from numba import njit

from kuntur.reasons.lanes import LANES, ascend, descend

FloatArray = npt.NDArray[np.float64]
MAX_FEATURES_ON_PATH = 128
_NOTHING = 1e-9  # log-odds; below, it is rounding


def quadrature(features_on_path: int) -> tuple[FloatArray, FloatArray]:
    """Gives points and weights on 0 to 1, exact where at most so many features lie on a path.

    float64 [n] each, n a multiple of LANES.
    """
    count = LANES * max(1, math.ceil(features_on_path / (2 * LANES)))
    points, weights = np.polynomial.legendre.leggauss(count)
    return (points + 1.0) / 2.0, weights / 2.0


@njit(cache=True, nogil=True)
def derive(starts, right, column, cover, parent, same, ratio, share):
    """Writes what follows from the arrays of trees; gives the most different features on a path.

    starts: int64 [trees + 1]; right, column: int32 [m]; cover: float64 [m]; written: parent: int32 [m];
    same: int32 [m], the nearest node above that was reached by a split on the same feature, or -1; ratio:
    float64 [m], share of the parent's cover; share: float64 [m], product of these ratios over the splits on
    the feature.
    """
    most = 0
    features = np.zeros(len(right), dtype=np.int32)
    for tree in range(len(starts) - 1):
        root = starts[tree]
        parent[root] = same[root] = -1
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
                known = parent[above] >= 0
                same[child] = above if known else -1
                features[child] = features[node] + (0 if known else 1)
                # Without any rows below, both branches count alike: nothing but a sum of 1 is needed.
                ratio[child] = (
                    cover[child] / (cover[node + 1] + cover[right[node]]) if cover[node] > 0 else 0.5
                )
                share[child] = ratio[child] * (share[above] if known else 1.0)
    return most


@njit(cache=True, nogil=True)
def expected(starts, right, parent, ratio, value):
    """Gives the mean of the trees' sums over the rows they were fitted on, by cover."""
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


# Lets go of the interpreter's lock: with reasons asked for a whole frame this runs for a second and more.
# No branch hangs on the row, which a processor would guess wrong every other time.
@njit(cache=True, nogil=True, error_model="numpy")
def explain(
    rows, starts, right, column, threshold, unset_left, parent, same, share, value, points, weights, out
):
    """Adds the contributions of trees to `out`, float64 [n, columns], in the units of `value`.

    rows: float32 [n, columns]; threshold: float32 [m], smaller values go left; unset_left: bool [m]; value:
    float64 [m], of leaves; the other arrays as in `derive`, points and weights as in `quadrature`.
    """
    count = len(points)
    widest = 1
    for tree in range(len(starts) - 1):
        widest = max(widest, starts[tree + 1] - starts[tree])
    # Of each node, `count` numbers:
    reach = np.empty(widest * count, dtype=np.float64)  # the product, from the root to the node
    below = np.zeros(widest * count, dtype=np.float64)  # the sum over the leaves below the node
    inverse = np.empty(widest * count, dtype=np.float64)  # of the factor of the feature that led there
    weight = np.empty(widest * count, dtype=np.float64)  # what the product is multiplied by for it
    rest = 1.0 - points
    on = np.empty(widest, dtype=np.float64)
    left = np.empty(widest, dtype=np.float64)
    # The root stands in for the earlier split of a feature that is met the first time.
    on[0], reach[:count], inverse[:count], weight[:count] = 1.0, 1.0, 1.0, 0.0
    for tree in range(len(starts) - 1):  # trees outside, so that one stays in the cache for all rows
        root, size = starts[tree], starts[tree + 1] - starts[tree]
        for row in range(len(rows)):
            for n in range(size):
                node = root + n
                x = rows[row, column[node]]
                left[n] = np.float64((x < threshold[node]) | (np.isnan(x) & unset_left[node]))
                if n == 0:
                    continue
                p, s = parent[node] - root, max(same[node] - root, 0)
                o = (left[p] if n == p + 1 else 1.0 - left[p]) * on[s]
                on[n] = o
                for k in range(0, count, LANES):
                    descend(
                        reach, inverse, weight, rest, points, k,
                        n * count + k, p * count + k, s * count + k, o, share[node],
                    )  # fmt: skip
            for n in range(size - 1, 0, -1):
                node = root + n
                p, s = parent[node] - root, max(same[node] - root, 0)
                leaf = value[node] if right[node] == 0 else 0.0
                given = 0.0
                for k in range(0, count, LANES):
                    given += ascend(
                        below, reach, weight, weights, k, n * count + k, p * count + k, s * count + k, leaf
                    )
                out[row, column[parent[node]]] += given
            below[:count] = 0.0


@njit(cache=True, nogil=True)
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
