"""Bytes of a fuzzer as instructions: taken from the front, and whatever they are, they are some."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence


class Script:
    """What is left of an input. What is missing at its end reads as zeros."""

    def __init__(self, raw: bytes) -> None:
        self._raw, self._at = raw, 0

    def __bool__(self) -> bool:
        """Returns whether anything is left."""
        return self._at < len(self._raw)

    def byte(self) -> int:
        """Takes one byte."""
        return self.number(1)

    def number(self, size: int) -> int:
        """Takes a number of so many bytes, little end first."""
        return int.from_bytes(self._take(size).ljust(size, b"\0"), "little")

    def block(self) -> bytes:
        """Takes a length of two bytes and so many bytes behind it."""
        return self._take(self.number(2))

    def rest(self) -> bytes:
        """Takes all that is left."""
        return self._take(len(self._raw))

    def _take(self, size: int) -> bytes:
        taken = self._raw[self._at : self._at + size]
        self._at += size
        return taken


def check_one(checks: Sequence[Callable[[Script], None]], data: bytes) -> None:
    """Has one of some checks take what is behind the first byte, which chooses it."""
    script = Script(data)
    checks[script.byte() % len(checks)](script)


def block(content: bytes) -> bytes:
    """Returns the instructions that `Script.block` takes for some bytes."""
    return struct.pack("<H", len(content)) + content
