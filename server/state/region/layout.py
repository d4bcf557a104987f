"""Where the parts of a region lie, and a number for the layout of its records."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from kuntur.history import HistorySizes, recent
from kuntur.history.memory import words_of_parts
from kuntur.records import layout

PAGE_WORDS = 512


class RegionError(Exception):
    """A region that cannot be used: why, and what to do."""


class InterruptedRegionError(RegionError):
    """A file that was open when the machine went down: the disk may have missed a part of it."""


def parts_of(sizes: HistorySizes, *, sealed: bool) -> Iterator[tuple[str, int, int]]:
    """Yields name, first word and words of each part behind the header, each from a page of its own."""
    start = PAGE_WORDS
    for name, words in words_of_parts(sizes, sealed=sealed).items():
        yield name, start, words
        start += -(-words // PAGE_WORDS) * PAGE_WORDS


def words_of(sizes: HistorySizes, *, sealed: bool) -> int:
    """Returns the words of a region of these sizes."""
    *_, (_, start, words) = parts_of(sizes, sealed=sealed)
    return start + -(-words // PAGE_WORDS) * PAGE_WORDS


def layout_number() -> int:
    """Returns a number that changes with the layout of records."""
    numbers = sorted((name, value) for name, value in vars(layout).items() if isinstance(value, int | float))
    numbers.append(("recent", recent.RECORD_WORDS))
    digest = hashlib.sha256(repr((numbers, layout.RINGS, layout.WINDOWS)).encode()).digest()
    return int.from_bytes(digest[:7], "little")
