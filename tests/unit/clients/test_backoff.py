from __future__ import annotations

import random

from clients.backoff import Backoff


class Highest(random.Random):
    """Draws the upper bound."""

    def uniform(self, a: float, b: float) -> float:
        return max(a, b)


def test_waits_double_up_to_their_bound() -> None:
    backoff = Backoff(0.1, 0.5, Highest())
    assert [backoff.after_failure() for _ in range(5)] == [0.1, 0.2, 0.4, 0.5, 0.5]


def test_a_success_starts_anew() -> None:
    backoff = Backoff(0.1, 0.5, Highest())
    backoff.after_failure()
    backoff.succeeded()
    assert backoff.after_failure() == 0.1


def test_nobody_comes_back_sooner_than_the_server_asks() -> None:
    backoff = Backoff(0.1, 0.5, random.Random(7))
    assert all(2.0 <= backoff.after_failure(2.0) <= 2.5 for _ in range(50))


def test_many_failures_end_at_the_bound() -> None:
    backoff = Backoff(0.1, 0.5, Highest())
    assert {backoff.after_failure() for _ in range(5_000)} <= {0.1, 0.2, 0.4, 0.5}
