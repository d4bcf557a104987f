"""How far a long command is, on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

_TOLD_S, _DRAWN_S = 10.0, 0.2  # between two words about the progress: to a file, to a terminal


class ProgressLine:
    """One line that changes on a terminal, else a line now and then."""

    def __init__(self) -> None:
        """Begins, with nothing to say so far."""
        self._terminal = sys.stderr.isatty()
        self._began = self._told = time.monotonic()
        self._doing = ""
        self._drawn = False

    def show(self, done: int, total: int, words: Callable[[float], str], doing: str = "") -> None:
        """Shows how much is done, and of how much, once it is time to.

        words: returns the line, without the time left, for the share that is done; doing: what is being done:
        the time left is that of this.
        """
        now = time.monotonic()
        if doing != self._doing:
            self._doing, self._began = doing, now
        if now - self._told < (_DRAWN_S if self._terminal else _TOLD_S):
            return
        self._told = now
        share = min(1.0, done / max(total, 1))
        left = (now - self._began) * (total - done) / max(done, 1)
        line = f"{words(share)}, {max(0.0, left):,.0f} s left"
        sys.stderr.write(f"\r{line:<60}" if self._terminal else f"{line}\n")
        sys.stderr.flush()
        self._drawn = self._terminal

    def clear(self) -> None:
        """Takes the line away."""
        if self._drawn:
            sys.stderr.write(f"\r{'':<60}\r")
            self._drawn = False
