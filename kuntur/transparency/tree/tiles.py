"""Tiles: 256 neighbouring hashes of a tree as one file, each level of tiles eight levels of the tree higher.

Paths and contents are those of C2SP's tlog-tiles, so that a folder of them can be served as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from kuntur.transparency.tree.hashing import HASH_BYTES, node_hash, parents

HEIGHT = 8
WIDTH = 1 << HEIGHT
TILE_BYTES = WIDTH * HASH_BYTES


@dataclass(frozen=True, slots=True)
class Tile:
    """The place of a tile: `level` counts from the leaves, `number` from the left."""

    level: int
    number: int

    def width(self, size: int) -> int:
        """Returns how many hashes it has in a tree of some size: 0 to 256."""
        return max(0, min(WIDTH, (size >> HEIGHT * self.level) - self.number * WIDTH))

    def path(self, width: int = WIDTH) -> PurePosixPath:
        """Returns where it lies below the log's folder; one of less than 256 hashes is a partial tile."""
        digits = str(self.number)
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        parts = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        name = "/".join([*(f"x{part}" for part in parts[:-1]), parts[-1]])
        end = "" if width == WIDTH else f".p/{width}"
        return PurePosixPath(f"tile/{self.level}/{name}{end}")

    @property
    def parent(self) -> Tile:
        """The tile that has the hash of this one, when it is full."""
        return Tile(self.level + 1, self.number // WIDTH)


def tile_of(height: int, index: int) -> tuple[Tile, int, int]:
    """Returns in which tile a node is, how high above the tile's own hashes, and its place at that height."""
    above = height % HEIGHT
    in_row = HEIGHT - above
    return Tile(height // HEIGHT, index >> in_row), above, index & ((1 << in_row) - 1)


def edge(size: int) -> list[tuple[Tile, int]]:
    """Returns the last tile of each level in a tree of some size, with its width, from the leaves up.

    Only those that are not full: the hash of a full one stands in the level above.
    """
    found = []
    level = 0
    while count := size >> HEIGHT * level:
        if count % WIDTH:
            found.append((Tile(level, count // WIDTH), count % WIDTH))
        level += 1
    return found


def inner(hashes: bytes) -> list[bytes]:
    """Returns the rows of hashes inside a tile, the tile itself first; each as one run, whole nodes only."""
    levels = [hashes]
    while len(levels[-1]) >= 2 * HASH_BYTES:
        below = levels[-1]
        levels.append(parents(below[: len(below) // (2 * HASH_BYTES) * 2 * HASH_BYTES]))
    return levels


def tile_hashes(tiles: bytes) -> bytes:
    """Returns the hashes of full tiles, which stand in the tiles above; both as one run."""
    for _ in range(HEIGHT):
        tiles = parents(tiles)
    return tiles


def peaks(hashes: bytes) -> list[bytes]:
    """Returns the hashes of the whole subtrees of a partial tile, the largest first."""
    levels = inner(hashes)
    count = len(hashes) // HASH_BYTES
    found = []
    start = 0
    for height in range(count.bit_length() - 1, -1, -1):
        if count >> height & 1:
            at = (start >> height) * HASH_BYTES
            found.append(levels[height][at : at + HASH_BYTES])
            start += 1 << height
    return found


def fold(parts: list[bytes]) -> bytes:
    """Returns the root over whole subtrees, given from left to right, each smaller than the one before."""
    *rest, root = parts
    for part in reversed(rest):
        root = node_hash(part, root)
    return root
