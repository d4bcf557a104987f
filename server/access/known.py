"""What is remembered of tokens that were checked: so many, under their SHA-256 and not as they came."""

from __future__ import annotations

import threading
from collections.abc import Callable
from hashlib import sha256
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Known(Generic[_T]):
    """What is known by token: bounded, what is over makes room and then the oldest. Safe for threads."""

    def __init__(self, most: int, *, over: Callable[[_T], bool]) -> None:
        """Takes how many are kept, and what tells whether one is worth nothing any more."""
        self._most, self._over = most, over
        self._all: dict[bytes, _T] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Returns how many are kept."""
        return len(self._all)

    def find(self, token: str) -> _T | None:
        """Returns what is known of a token."""
        return self._all.get(sha256(token.encode()).digest())

    def keep(self, token: str, what: _T) -> None:
        """Remembers a token."""
        digest = sha256(token.encode()).digest()
        with self._lock:
            kept = self._all
            if len(kept) >= self._most and digest not in kept:
                for each in [each for each, known in kept.items() if self._over(known)]:
                    del kept[each]
                while len(kept) >= self._most:
                    del kept[next(iter(kept))]
            kept[digest] = what
