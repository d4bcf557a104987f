"""Audit paths and consistency proofs: made from a tree's nodes, and checked from nothing but themselves.

Made by the recursion of RFC 6962, sections 2.1.1 and 2.1.2; checked by the steps of RFC 9162, sections
2.1.3.2 and 2.1.4.2, which hold for the same trees and share no code with the making.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from kuntur.transparency.errors import ProofError
from kuntur.transparency.tree.hashing import EMPTY_ROOT, HASH_BYTES, node_hash

MAX_SIZE = 1 << 63
"""No tree has so many leaves: sizes fit a signed number of 64 bits."""

Node = Callable[[int, int], bytes]
"""Returns the hash over the leaves [index << height, (index + 1) << height), for (height, index)."""


def range_hash(node: Node, start: int, end: int) -> bytes:
    """Returns the hash over the leaves [start, end); start is a multiple of the largest power of 2 below."""
    count = end - start
    if count == 0:
        return EMPTY_ROOT
    if count & (count - 1) == 0:
        height = count.bit_length() - 1
        return node(height, start >> height)
    middle = start + _split(count)
    return node_hash(range_hash(node, start, middle), range_hash(node, middle, end))


def inclusion_path(node: Node, index: int, size: int) -> list[bytes]:
    """Returns the audit path of a leaf in the tree of some size, from the leaf's sibling up."""
    if not 0 <= index < size:
        raise ValueError(f"leaf {index:,} is not in a tree of {size:,}")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(range_hash(node, middle, end))
            end = middle
        else:
            path.append(range_hash(node, start, middle))
            start = middle
    return path[::-1]


def consistency_path(node: Node, old: int, new: int) -> list[bytes]:
    """Returns the proof that the tree of size `old` is the beginning of that of size `new`.

    It is empty where both are the same, and for an empty old tree, with which each is consistent.
    """
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {new:,} leaves does not follow one of {old:,}")
    if old in {0, new}:
        return []
    path: list[bytes] = []
    start, end, whole = 0, new, True  # whole: the old tree is all that is left of it, and its root is known
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(range_hash(node, middle, end))
            end = middle
        else:
            path.append(range_hash(node, start, middle))
            start, whole = middle, False
    if not whole:
        path.append(range_hash(node, start, end))
    return path[::-1]


def root_above(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """Returns the root that an audit path leads to from a leaf hash. Raises ProofError for one of no tree."""
    if not 0 <= index < size < MAX_SIZE:
        raise ProofError(f"leaf {index:,} is not in a tree of {size:,}")
    _check_hashes([leaf, *path])
    above = leaf
    for sibling, before in _climbed(index, size - 1, path, "audit path"):
        above = node_hash(sibling, above) if before else node_hash(above, sibling)
    return above


def check_inclusion(leaf: bytes, index: int, size: int, root: bytes, path: Sequence[bytes]) -> None:
    """Raises ProofError unless a leaf hash stands at an index in the tree of this size and root."""
    if root_above(leaf, index, size, path) != root:
        raise ProofError(f"the audit path does not lead from the entry at {index:,} to the root")


def check_consistency(old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]) -> None:
    """Raises ProofError unless one tree is the beginning of the other."""
    if not 0 <= old <= new < MAX_SIZE:
        raise ProofError(f"a tree of {new:,} leaves does not follow one of {old:,}")
    _check_hashes([old_root, new_root, *path])
    if (old == 0 and old_root != EMPTY_ROOT) or (new == 0 and new_root != EMPTY_ROOT):
        raise ProofError("the root of an empty tree is not that of no leaves")
    if old in {0, new}:
        if path:
            raise ProofError("there is nothing between the two trees to prove")
        if old == new and old_root != new_root:
            raise ProofError(f"two trees of {new:,} leaves have different roots")
        return
    _check_growth(old, old_root, new, new_root, path)


def _check_growth(old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]) -> None:
    """Raises ProofError; for 0 < old < new."""
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    rest = list(path)
    if old & (old - 1):
        if not rest:
            raise ProofError("the consistency proof is empty")
        below = rest.pop(0)
    else:
        below = old_root  # the old tree is one whole part of the new one
    from_old = from_new = below
    for sibling, before in _climbed(at, last, rest, "consistency proof"):
        if before:
            from_old = node_hash(sibling, from_old)
            from_new = node_hash(sibling, from_new)
        else:
            from_new = node_hash(from_new, sibling)
    if from_old != old_root or from_new != new_root:
        raise ProofError(f"the tree of {new:,} leaves does not go on from that of {old:,}")


def _climbed(at: int, last: int, path: Iterable[bytes], name: str) -> Iterator[tuple[bytes, bool]]:
    """Yields the hashes of a path, each with whether it stands before the part of the tree that it joins.

    at, last: numbers of the part where the path begins and of the last one on its level; name: of the path.
    Raises ProofError for one that is longer or shorter than the tree is high.
    """
    for sibling in path:
        if last == 0:
            raise ProofError(f"the {name} is longer than the tree is high")
        before = bool(at & 1) or at == last
        yield sibling, before
        while before and at & 1 == 0 and at != 0:
            at, last = at >> 1, last >> 1
        at, last = at >> 1, last >> 1
    if last != 0:
        raise ProofError(f"the {name} is shorter than the tree is high")


def _split(count: int) -> int:
    """Returns the largest power of 2 below a count of at least 2."""
    return 1 << (count - 1).bit_length() - 1


def _check_hashes(hashes: Sequence[bytes]) -> None:
    if any(len(each) != HASH_BYTES for each in hashes):
        raise ProofError(f"a hash has {HASH_BYTES} bytes")
