"""How far a verification came, in a file: so that one that was cut off, or the next one, goes on from there.

What the file says is not trusted: the hashes in it have to lead to the root that was signed, else all is read
anew. But records in front of it are not read again: whoever can write the file can hide what was done to
them since.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass
from pathlib import Path

from kuntur.files.whole import replace_whole
from kuntur.journal.proved.walk import Place
from kuntur.transparency.tree.frontier import Frontier
from kuntur.transparency.tree.hashing import HASH_BYTES
from kuntur.transparency.tree.tiles import HEIGHT, WIDTH

_FORM = 1
_MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Reached:
    """A point in a journal. first: entry with which it was begun; size: entries in front of the point.

    levels: hashes of the partial tile of each level there; place: where the next entry starts.
    """

    origin: str
    first: int
    size: int
    levels: tuple[bytes, ...]
    place: Place

    @classmethod
    def of(cls, origin: str, first: int, frontier: Frontier, place: Place) -> Reached:
        """Returns the point at which a tree ends."""
        count = -(-frontier.size.bit_length() // HEIGHT)
        return cls(origin, first, frontier.size, tuple(map(frontier.partial, range(count))), place)

    def write(self, path: Path) -> None:
        """Writes it to a file, whole or not at all. Raises OSError."""
        content = {
            "form": _FORM,
            "origin": self.origin,
            "first": self.first,
            "size": self.size,
            "levels": [b64encode(level).decode() for level in self.levels],
            "file": self.place.file,
            "offset": self.place.offset,
        }
        replace_whole(path, json.dumps(content).encode())

    @classmethod
    def read(cls, path: Path, origin: str, first: int) -> Reached | None:
        """Returns what a file says; None where there is none, or one of another log, beginning or form.

        Raises OSError.
        """
        try:
            with path.open("rb") as file:
                content = json.loads(file.read(_MOST_BYTES))
            levels = tuple(b64decode(level, validate=True) for level in content["levels"])
            place = Place(str(content["file"]), int(content["offset"]))
            found = cls(str(content["origin"]), int(content["first"]), int(content["size"]), levels, place)
            form = content["form"]
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            return None
        return found if form == _FORM and found._fits(origin, first) else None

    def _fits(self, origin: str, first: int) -> bool:
        size, widths = self.size, [len(level) for level in self.levels]
        right = [(size >> HEIGHT * level) % WIDTH * HASH_BYTES for level in range(len(widths))]
        return (
            (self.origin, self.first) == (origin, first)
            and first <= size < 1 << 63
            and self.place.offset >= 0
            and len(widths) == -(-size.bit_length() // HEIGHT)
            and widths == right
        )
