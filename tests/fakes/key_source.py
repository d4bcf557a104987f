"""A source of keys whose content the test sets."""

from __future__ import annotations


class FakeKeySource:
    """Gives what it is told to, and counts how often it is asked."""

    name = "a fake"

    def __init__(self, raw: bytes | None = None, *, costs: bool = True) -> None:
        self.raw = raw
        """None: it cannot be reached."""
        self.costs = costs
        self.asked = 0

    def read(self) -> bytes:
        """Returns the bytes. Raises OSError where it cannot be reached."""
        self.asked += 1
        if self.raw is None:
            raise OSError("it cannot be reached")
        return self.raw
