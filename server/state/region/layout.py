"""Where the parts of a region lie, and the sizes that decide it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import astuple, dataclass

from kuntur.features.engine import ENTITIES
from kuntur.history import held, recent
from kuntur.records import layout, table, undo

PAGE_WORDS = 512


class RegionError(Exception):
    """A region that cannot be used: why, and what to do."""


@dataclass(frozen=True, slots=True)
class RegionSizes:
    """The most records of each kind that a region holds."""

    accounts: int
    merchants: int
    devices: int
    categories: int
    recent_transactions: int
    held_corrections: int = 4096


def parts_of(sizes: RegionSizes, *, sealed: bool) -> Iterator[tuple[str, int, int]]:
    """Yields name, first word and words of each part behind the header, each from a page of its own."""
    lengths = {"undo": undo.UNDO_WORDS}
    lengths |= {
        kind: table.words_needed(words + (1 if sealed else 0), capacity)
        for (kind, words), capacity in zip(ENTITIES.items(), astuple(sizes), strict=False)
    }
    lengths["recent"] = recent.words_needed(sizes.recent_transactions)
    lengths["held"] = held.sealed_words_needed(sizes.held_corrections)
    start = PAGE_WORDS
    for name, words in lengths.items():
        yield name, start, words
        start += -(-words // PAGE_WORDS) * PAGE_WORDS


def words_of(sizes: RegionSizes, *, sealed: bool) -> int:
    """Returns the words of a region of these sizes."""
    *_, (_, start, words) = parts_of(sizes, sealed=sealed)
    return start + -(-words // PAGE_WORDS) * PAGE_WORDS


def layout_number() -> int:
    """Returns a number that changes with the layout of records."""
    numbers = sorted((name, value) for name, value in vars(layout).items() if isinstance(value, int | float))
    digest = hashlib.sha256(repr((numbers, layout.RINGS, layout.WINDOWS)).encode()).digest()
    return int.from_bytes(digest[:7], "little")
