"""Tiles written anew where a crash or a bad block took them: from the other tiles, and from the journal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from kuntur.transparency.errors import DamagedTreeError
from kuntur.transparency.tree.frontier import Frontier
from kuntur.transparency.tree.hashing import HASH_BYTES, Hashes, rows
from kuntur.transparency.tree.stored import read_tile
from kuntur.transparency.tree.tiles import WIDTH, Tile, tile_hashes
from kuntur.transparency.tree.tree import Tree

Leaves = Callable[[int], Hashes]
"""Returns leaf hashes of the log from an index on: as many as are at hand, none where there are no more."""


def restore(directory: Path, size: int, root: bytes, leaves: Leaves) -> Tree:
    """Writes the tiles of a checkpoint anew, and returns the tree.

    Leaf hashes come from the tiles that hold them, as far as those are there and are what the tiles above
    say, and else from `leaves`; where that does not give the root, all come from `leaves`. Raises
    DamagedTreeError when that does not give it either, and then changes nothing; OSError.
    """
    sources: tuple[Callable[[], Iterator[Hashes]], ...] = (
        partial(_kept, directory, size, leaves),
        partial(_between, 0, size, leaves),
    )
    for chunks in sources:
        frontier = Frontier()
        for hashes in chunks():
            frontier.append(hashes)
        if (frontier.size, frontier.root()) == (size, root):
            tree = Tree(directory)
            for hashes in chunks():
                tree.append(hashes)
            tree.save()
            return tree
    raise DamagedTreeError(
        f"{directory}: neither the tiles nor the journal give the root of the checkpoint of {size:,} entries"
    )


def _kept(directory: Path, size: int, leaves: Leaves) -> Iterator[Hashes]:
    """Yields the leaf hashes of each tile, from `leaves` where the tile is not to be had."""
    above: bytes | None = None
    for number in range(-(-size // WIDTH)):
        tile = Tile(0, number)
        if number % WIDTH == 0:
            above = _read(directory, tile.parent, size)
        hashes = _read(directory, tile, size)
        if hashes is not None and above is not None and tile.width(size) == WIDTH:
            at = number % WIDTH * HASH_BYTES
            hashes = hashes if tile_hashes(hashes) == above[at : at + HASH_BYTES] else None
        if hashes is not None:
            yield rows(hashes)
        else:
            yield from _between(number * WIDTH, min(size, (number + 1) * WIDTH), leaves)


def _read(directory: Path, tile: Tile, size: int) -> bytes | None:
    try:
        return read_tile(directory, tile, tile.width(size)) if tile.width(size) else None
    except DamagedTreeError:
        return None


def _between(start: int, end: int, leaves: Leaves) -> Iterator[Hashes]:
    while start < end and len(hashes := leaves(start)[: end - start]):
        yield hashes
        start += len(hashes)
