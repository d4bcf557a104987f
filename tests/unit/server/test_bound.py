from __future__ import annotations

from server.rpc.bound import Bound


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_bound_falls_while_many_are_refused_and_doubles_back_once_they_are_not() -> None:
    clock = Clock()
    bound = Bound(64, 8, clock)
    for _ in range(10):
        bound.refused()
    assert bound.now == 64
    clock.now += 0.11
    bound.refused()
    assert bound.now == 8
    found = []
    for _ in range(5):
        clock.now += 0.11
        bound.admitted()
        found.append(bound.now)
    assert found == [16, 32, 64, 64, 64]


def test_a_bound_stays_low_while_refusals_go_on() -> None:
    clock = Clock()
    bound = Bound(64, 8, clock)
    for _ in range(50):
        clock.now += 0.11
        for _ in range(20):
            bound.admitted()
            bound.refused()
        assert bound.now in {8, 64}
    assert bound.now == 8


def test_a_few_refusals_among_many_calls_change_nothing() -> None:
    clock = Clock()
    bound = Bound(64, 8, clock)
    for _ in range(20):
        for _ in range(100):
            bound.admitted()
        clock.now += 0.11
        bound.refused()
        assert bound.now == 64


def test_a_bound_is_up_again_when_nobody_came_for_a_while() -> None:
    clock = Clock()
    bound = Bound(64, 8, clock)
    for _ in range(2):
        clock.now += 0.11
        bound.refused()
    assert bound.now == 8
    bound.refused()
    clock.now += 1.0
    bound.admitted()
    assert bound.now == 64


def test_a_bound_for_overload_above_that_of_calm_is_that_of_calm() -> None:
    clock = Clock()
    bound = Bound(2, 8, clock)
    clock.now += 0.11
    bound.refused()
    assert bound.now == 2
