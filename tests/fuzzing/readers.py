"""Which readers are fuzzed, and within what bounds."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Protocol, cast

MAX_SECONDS = 10
"""Longest that one input may take, under the fuzzer's counters, which slow Python down several times."""
MAX_MEMORY_MB = 768
"""Most memory of the process under the fuzzer, which takes some kilobytes for each input itself."""
MAX_GROWTH_MB = 64
"""Most that the reader adds to its process for any of the inputs that were kept, read again without it."""


class Harness(Protocol):
    """A module that has a reader read bytes."""

    INSTRUMENTED: list[str]
    """Packages whose branches lead the fuzzer."""
    DICTIONARY: list[bytes]
    """Words of the form."""

    def check(self, data: bytes) -> None:
        """Raises whatever the reader should not have raised, or AssertionError for a wrong result."""

    def seeds(self) -> list[bytes]:
        """Returns inputs made of valid examples, the same each time as far as signatures are."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A reader. longest: bytes of an input; interpreted: whether compiled functions run as Python here."""

    name: str
    module: str
    longest: int
    interpreted: bool = False

    def harness(self) -> Harness:
        """Loads the module."""
        return cast("Harness", importlib.import_module(f"tests.fuzzing.{self.module}"))


READERS = (
    Reader("wire", "wire", 2048, interpreted=True),
    Reader("journal", "journal", 4096),
    Reader("bundle", "bundle", 4096, interpreted=True),
    Reader("token", "tokens", 4096),
)
