"""How long to wait before asking again a server that did not take what it was asked."""

from __future__ import annotations

import random


class Backoff:
    """Waits that double with each failure in a row, at random, and never below what the server asks for."""

    def __init__(self, initial_seconds: float, max_seconds: float, rng: random.Random | None = None) -> None:
        """Starts without a failure.

        Args:
            initial_seconds: Upper bound of the wait after the first failure; it doubles with each.
            max_seconds: Upper bound that the doubling ends at.
            rng: Where the waits are drawn from; None: a generator of its own, so that many clients
                do not come back together.
        """
        self._initial_seconds = initial_seconds
        self._max_seconds = max_seconds
        self._rng = rng or random.Random()  # noqa: S311  (no secret)
        self._failures = 0

    def after_failure(self, asked_for_seconds: float | None = None) -> float:
        """Returns the seconds to wait after one more failure.

        Args:
            asked_for_seconds: What the server asks to wait (RetryInfo); None when it does not say.
        """
        bound = min(self._initial_seconds * 2.0**self._failures, self._max_seconds)
        self._failures = min(self._failures + 1, 32)  # far beyond any bound, and no overflow
        return (asked_for_seconds or 0.0) + self._rng.uniform(0.0, bound)

    def succeeded(self) -> None:
        """Forgets the failures before."""
        self._failures = 0
