"""The tree as it grows: leaf hashes come in, tiles are written, and a crash leaves what can be written anew.

A tile is written beside its place, synced and renamed, and `save` returns when all tiles of the tree's size
are on the disk. What is behind the size of the last checkpoint counts for nothing: it is written over.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from kuntur.files.paths import sync
from kuntur.files.private import make_private
from kuntur.files.whole import write_draft
from kuntur.transparency.tree.frontier import Frontier
from kuntur.transparency.tree.hashing import EMPTY_ROOT, Hashes
from kuntur.transparency.tree.stored import StoredTree, read_tile
from kuntur.transparency.tree.tiles import HEIGHT, WIDTH, Tile, edge

_MOST_UNSAVED = 1024  # full tiles in memory, 8 KiB each


class Tree(StoredTree):
    """A stored tree with its one writer."""

    def __init__(self, directory: Path, size: int = 0, root: bytes = EMPTY_ROOT) -> None:
        """Goes on behind the checkpoint of this size and root; a new tree begins with neither.

        Raises DamagedTreeError where the tiles are not those of the root, OSError.
        """
        self._frontier = Frontier()
        self._unsaved: dict[Tile, bytes] = {}
        self._first_write = True
        self._partial = {tile for tile, _ in edge(size)}
        super().__init__(directory, size, root)
        levels = [b""] * (-(-size.bit_length() // HEIGHT))
        for tile, width in edge(size):
            levels[tile.level] = read_tile(directory, tile, width)
        self._frontier = Frontier.at(size, levels, self._complete)

    @property
    def size(self) -> int:
        """How many leaves it has, saved or not."""
        return max(self._size, self._frontier.size)

    def root(self, size: int | None = None) -> bytes:
        """Returns the root it has, or had at an earlier size. Raises DamagedTreeError, OSError."""
        if self._frontier.size and size in {None, self._frontier.size}:
            return self._frontier.root()
        return super().root(size)

    def append(self, hashes: Hashes) -> None:
        """Adds leaf hashes: uint8 [n, 32]. `save` makes them last. Raises OSError."""
        for start in range(0, len(hashes), WIDTH * _MOST_UNSAVED):
            self._frontier.append(hashes[start : start + WIDTH * _MOST_UNSAVED])
            if len(self._unsaved) >= _MOST_UNSAVED:
                self._write(dict(self._unsaved))

    def save(self) -> None:
        """Waits until the tiles of all leaves are on the disk. Raises OSError; saving again goes on."""
        partial = {tile: self._frontier.partial(tile.level) for tile, _ in edge(self.size)}
        self._write(dict(self._unsaved) | partial)
        self._partial |= partial.keys()

    def tidy(self) -> None:
        """Removes partial tiles that have become full. Only once a checkpoint over the full ones is out."""
        for tile in [tile for tile in self._partial if tile.width(self.size) == WIDTH]:
            if tile not in self._unsaved:
                shutil.rmtree((self.directory / tile.path(1)).parent, ignore_errors=True)
                self._partial.discard(tile)

    def _complete(self, tile: Tile, hashes: bytes) -> None:
        self._unsaved[tile] = hashes

    def _write(self, tiles: dict[Tile, bytes]) -> None:
        """Writes tiles so that they last, and forgets the full ones among them."""
        changed: set[Path] = set()
        for tile, hashes in tiles.items():
            path = self.directory / tile.path(tile.width(self.size))
            if path.parent not in changed:
                changed.add(path.parent)
                changed.update(above.parent for above in path.parents if self._may_not_last(above))
                make_private(path.parent)
            write_draft(path, hashes).rename(path)
        for folder in changed:
            sync(folder)
        self._first_write = False
        for tile in tiles:
            self._unsaved.pop(tile, None)

    def _may_not_last(self, folder: Path) -> bool:
        """Returns whether a folder may be lost with the power: it is new, or of a writer that was killed."""
        return not folder.exists() or (self._first_write and self.directory in folder.parents)

    def _read(self, tile: Tile) -> bytes:
        if tile in self._unsaved:
            return self._unsaved[tile]
        if self._frontier.size and tile.width(self.size) < WIDTH:
            return self._frontier.partial(tile.level)
        return super()._read(tile)
