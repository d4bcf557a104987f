"""A tree as it lies in a folder of tiles: its root and its proofs, from few reads, each of them checked.

Reading changes nothing and may go on beside the writer. Whoever opens it says which root it must have; each
tile that is read is held against the tile above it, up to that root, so nothing that is damaged gets into a
proof.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

from kuntur.transparency.errors import DamagedTreeError
from kuntur.transparency.tree.hashing import HASH_BYTES, Hashes, rows
from kuntur.transparency.tree.proofs import consistency_path, inclusion_path, range_hash
from kuntur.transparency.tree.tiles import HEIGHT, WIDTH, Tile, edge, inner, tile_of

_MOST_REMEMBERED = 64  # tiles with their inner hashes, 16 KiB each


class StoredTree:
    """A tree of some size and root, read from its folder."""

    def __init__(self, directory: Path, size: int, root: bytes) -> None:
        """Opens the tree that a checkpoint tells of; `directory` holds the folder `tile`.

        Raises DamagedTreeError where the tiles at its edge are missing or not those of this root, OSError.
        """
        self.directory = directory
        self._size = size
        self._known: OrderedDict[tuple[Tile, int], list[bytes]] = OrderedDict()
        if self.root() != root:
            raise DamagedTreeError(
                f"{directory}: the tiles at the edge of the tree of {size:,} entries do not give the root of "
                "its checkpoint"
            )

    @property
    def size(self) -> int:
        """How many leaves it has."""
        return self._size

    def root(self, size: int | None = None) -> bytes:
        """Returns the root it has, or had at an earlier size. Raises DamagedTreeError, OSError."""
        return range_hash(self._node, 0, self._earlier(size))

    def inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        """Returns the audit path of a leaf, in this tree or in that of an earlier size.

        Raises DamagedTreeError, OSError; ValueError for a leaf that is not in it.
        """
        return inclusion_path(self._node, index, self._earlier(size))

    def consistency(self, old: int, new: int | None = None) -> list[bytes]:
        """Returns the proof that the tree of an earlier size is the beginning of this one, or of a later one.

        Raises DamagedTreeError, OSError; ValueError for sizes that it never had.
        """
        return consistency_path(self._node, old, self._earlier(new))

    def leaves(self, tile: int) -> Hashes:
        """Returns the leaf hashes of a tile by its number, 256 or, at the end, fewer: uint8 [n, 32].

        Raises DamagedTreeError, OSError.
        """
        return rows(self._inner(Tile(0, tile))[0])

    def edge(self, size: int) -> list[bytes]:
        """Returns the hashes of the partial tile of each level at an earlier size, from the leaves up.

        None for a level whose tiles are just full. That is what `Frontier.at` goes on from. Raises
        DamagedTreeError, OSError.
        """
        levels = [b""] * (-(-self._earlier(size).bit_length() // HEIGHT))
        for tile, width in edge(size):
            levels[tile.level] = self._inner(tile)[0][: width * HASH_BYTES]
        return levels

    def tiles(self) -> int:
        """Returns how many tiles hold its leaves."""
        return -(-self.size // WIDTH)

    def _earlier(self, size: int | None) -> int:
        if size is None:
            return self.size
        if not 0 <= size <= self.size:
            raise ValueError(f"the tree has {self.size:,} leaves, not {size:,}")
        return size

    def _node(self, height: int, index: int) -> bytes:
        tile, above, place = tile_of(height, index)
        row = self._inner(tile)[above]
        return row[place * HASH_BYTES : (place + 1) * HASH_BYTES]

    def _inner(self, tile: Tile) -> list[bytes]:
        """Returns the rows of hashes inside a tile, once they are known to be those of the root."""
        key = tile, tile.width(self.size)
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key]
        levels = inner(self._read(tile))
        # A full tile has its hash in the tile above; those at the edge are what the root was made of.
        if key[1] == WIDTH and levels[HEIGHT] != self._node(HEIGHT * (tile.level + 1), tile.number):
            raise DamagedTreeError(f"{self.directory / tile.path()}: is not what the tile above it says")
        self._known[key] = levels
        if len(self._known) > _MOST_REMEMBERED:
            self._known.popitem(last=False)
        return levels

    def _read(self, tile: Tile) -> bytes:
        """Returns the hashes of a tile from its file."""
        width = tile.width(self.size)
        if not width:
            raise DamagedTreeError(f"{self.directory / tile.path()}: is of no tree of {self.size:,} entries")
        return read_tile(self.directory, tile, width)


def read_tile(directory: Path, tile: Tile, width: int) -> bytes:
    """Returns the first hashes of a tile, from its partial file or from the full one that took its place.

    They are as they stand there, unchecked. Raises DamagedTreeError for a file that is missing or of another
    length, OSError.
    """
    for written in dict.fromkeys((width, WIDTH)):
        path = directory / tile.path(written)
        try:
            with path.open("rb") as file:
                content = file.read(written * HASH_BYTES + 1)
        except (FileNotFoundError, NotADirectoryError):
            continue
        if len(content) == written * HASH_BYTES:
            return content[: width * HASH_BYTES]
        if written == WIDTH:
            raise DamagedTreeError(f"{path}: is no tile of {written} hashes, by its length")
    raise DamagedTreeError(f"{directory / tile.path(width)}: this tile is missing")
