"""The tiles beside a journal, held against the tree that its entries give: which entry or tile is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kuntur.journal.proved.findings import Finding, Vouched
from kuntur.transparency.errors import DamagedTreeError
from kuntur.transparency.tree.frontier import Frontier
from kuntur.transparency.tree.hashing import Hashes, rows
from kuntur.transparency.tree.stored import StoredTree, read_tile
from kuntur.transparency.tree.tiles import WIDTH, Tile

_MOST_FINDINGS = 10


class SignedTiles:
    """Tiles as they lie in a folder, and the tree of the largest checkpoint that they reach to."""

    def __init__(self, log: Path | None, vouched: Sequence[Vouched]) -> None:
        """Takes the folder, None where there is none, and checkpoints."""
        self._log = log
        self._found: list[Finding] = []
        self._more = 0
        self._differing: list[tuple[Tile, bytes]] = []
        self._tree: StoredTree | None = None
        self._size = max(each.size for each in vouched)
        if log is None:
            return
        for size, root in sorted({(each.size, each.root) for each in vouched}, reverse=True):
            try:
                self._tree = StoredTree(log, size, root)
            except DamagedTreeError as error:
                self._find(str(error))
                continue
            self._size = size
            break

    @property
    def size(self) -> int:
        """Entries of the tree that they give, 0 where they give none."""
        return 0 if self._tree is None else self._tree.size

    def findings(self, *, right: bool) -> list[Finding]:
        """Returns what is wrong with them. right: whether the entries gave the root that was signed."""
        for tile, _ in self._differing if right else ():
            self._find(f"{self._path(tile)}: is not the tile of the entries that were signed")
        if self._more:
            return [*self._found, Finding(f"{self._more:,} more tiles are missing or damaged")]
        return self._found

    def nearest(self) -> str:
        """Returns words about the first tile that is not that of the entries, where nobody can say which is
        right.
        """
        numbers = [tile.number for tile, _ in self._differing if tile.level == 0]
        if not numbers:
            return ""
        first = min(numbers) * WIDTH
        return f"; the first tile that is not theirs is that of entries {first + 1:,} to {first + WIDTH:,}"

    def root(self, size: int) -> bytes | None:
        """Returns the root that the tree had at an earlier size, None where they do not give it."""
        try:
            return None if self._tree is None or size > self._tree.size else self._tree.root(size)
        except DamagedTreeError:
            return None

    def edge(self, size: int) -> list[bytes] | None:
        """Returns what `Frontier.at` takes at a size, None where they do not give it."""
        try:
            return None if self._tree is None or size > self._tree.size else self._tree.edge(size)
        except DamagedTreeError:
            return None

    def completed(self, tile: Tile, hashes: bytes) -> None:
        """Takes a full tile of the tree that the entries give, and compares."""
        if self._log is None or tile.width(self._size) < WIDTH:
            return
        try:
            if read_tile(self._log, tile, WIDTH) != hashes:
                self._differing.append((tile, hashes))
        except DamagedTreeError as error:
            self._find(str(error))

    def wrong_entry(self) -> int | None:
        """Returns the index of the first entry that is not the one that was signed, as far as is known."""
        if self._tree is None:
            return None
        differing, self._differing = self._differing, []
        for tile, hashes in differing:
            if tile.level:
                self._find(f"{self._path(tile)}: is not the tile of the entries below it")
                continue
            if (index := self._difference(tile.number, rows(hashes))) is not None:
                return index
        return None

    def wrong_at_edge(self, frontier: Frontier) -> int | None:
        """Returns the index of the first wrong entry behind the last full tile, None where all are right."""
        number, partial = frontier.size // WIDTH, rows(frontier.partial(0))
        return self._difference(number, partial) if len(partial) else None

    def _difference(self, number: int, hashes: Hashes) -> int | None:
        if self._tree is None:
            return None
        try:
            signed = self._tree.leaves(number)[: len(hashes)]
        except DamagedTreeError as error:
            self._find(str(error))
            return None
        wrong = np.flatnonzero((signed != hashes[: len(signed)]).any(axis=1))
        return number * WIDTH + int(wrong[0]) if len(wrong) else None

    def _path(self, tile: Tile) -> Path:
        return (self._log or Path()) / tile.path()

    def _find(self, what: str) -> None:
        if len(self._found) < _MOST_FINDINGS:
            self._found.append(Finding(what))
        else:
            self._more += 1
