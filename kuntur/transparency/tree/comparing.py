"""Which record is the first that is not the one that was signed: for whoever goes through a whole journal."""

from __future__ import annotations

import numpy as np

from kuntur.transparency.tree.hashing import Hashes
from kuntur.transparency.tree.stored import StoredTree
from kuntur.transparency.tree.tiles import WIDTH


def first_difference(tree: StoredTree, start: int, hashes: Hashes) -> int | None:
    """Returns the index of the first leaf hash that is not the tree's, None where all are.

    start, hashes: leaf hashes of the log from an index on, uint8 [n, 32]; those behind the end of the tree
    are not looked at. Raises DamagedTreeError for tiles that are not those of the root, OSError.
    """
    end = min(tree.size, start + len(hashes))
    at = start
    while at < end:
        number, inside = divmod(at, WIDTH)
        signed = tree.leaves(number)[inside : inside + end - at]
        wrong = np.flatnonzero((signed != hashes[at - start : at - start + len(signed)]).any(axis=1))
        if len(wrong):
            return at + int(wrong[0])
        at += len(signed)
    return None
