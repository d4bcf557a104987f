"""The right edge of a growing tree: all that is needed for its root, in at most 8 KiB a level of tiles."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kuntur.transparency.tree.hashing import EMPTY_ROOT, Hashes, run
from kuntur.transparency.tree.tiles import (
    HEIGHT,
    TILE_BYTES,
    Tile,
    fold,
    peaks,
    tile_hashes,
)


class Frontier:
    """A tree that grows, of which only the hashes of the tiles at its edge are kept."""

    def __init__(self, completed: Callable[[Tile, bytes], None] = lambda _tile, _hashes: None) -> None:
        """Begins with no leaves. completed: called with each tile that becomes full, and its hashes."""
        self.size = 0
        """Leaves so far."""
        self._completed = completed
        self._levels: list[bytearray] = []

    @classmethod
    def at(cls, size: int, levels: Sequence[bytes], completed: Callable[[Tile, bytes], None]) -> Frontier:
        """Goes on from a size, with the hashes of the partial tile of each level, which may be empty."""
        frontier = cls(completed)
        frontier.size = size
        frontier._levels = [bytearray(level) for level in levels]
        return frontier

    def append(self, hashes: Hashes) -> None:
        """Adds leaf hashes: uint8 [n, 32]."""
        self._grow(0, run(hashes))
        self.size += len(hashes)

    def root(self) -> bytes:
        """Returns the root over all leaves."""
        parts = [part for level in reversed(self._levels) for part in peaks(bytes(level))]
        return fold(parts) if parts else EMPTY_ROOT

    def partial(self, level: int) -> bytes:
        """Returns the hashes of the last tile of a level, as far as they are; none where it is just full."""
        return bytes(self._levels[level]) if level < len(self._levels) else b""

    def _grow(self, level: int, hashes: bytes) -> None:
        if level == len(self._levels):
            self._levels.append(bytearray())
        pending = self._levels[level]
        pending += hashes
        full = len(pending) // TILE_BYTES
        if not full:
            return
        tiles = bytes(pending[: full * TILE_BYTES])
        del pending[: full * TILE_BYTES]
        first = self.size >> HEIGHT * (level + 1)
        for number in range(full):
            self._completed(
                Tile(level, first + number), tiles[number * TILE_BYTES : (number + 1) * TILE_BYTES]
            )
        self._grow(level + 1, tile_hashes(tiles))
