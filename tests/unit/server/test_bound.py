from __future__ import annotations

from server.rpc.bound import REFUSALS_AT_ONCE, Bound


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def refuse(bound: Bound, count: int) -> int:
    """Refuses so many, as far as they may be; gives how many were."""
    refused = 0
    while refused < count and bound.refusals:
        bound.refused()
        refused += 1
    return refused


def test_so_many_are_refused_at_once_and_then_so_many_a_second() -> None:
    clock = Clock()
    bound = Bound(64, 16, 1000, clock)
    assert refuse(bound, 1000) == REFUSALS_AT_ONCE
    clock.now += 0.010
    assert refuse(bound, 1000) == 10
    clock.now += 5.0
    assert refuse(bound, 1000) == REFUSALS_AT_ONCE


def test_a_bound_falls_when_much_is_refused_and_doubles_back_once_it_is_not() -> None:
    clock = Clock()
    bound = Bound(64, 8, 1000, clock)
    refuse(bound, REFUSALS_AT_ONCE // 2)
    assert bound.now == 64
    bound.refused()
    assert bound.now == 8
    found = []
    for _ in range(5):
        clock.now += 0.11
        assert bound.refusals
        found.append(bound.now)
    assert found == [16, 32, 64, 64, 64]


def test_a_bound_stays_low_while_refusals_go_on() -> None:
    clock = Clock()
    bound = Bound(64, 8, 1000, clock)
    refuse(bound, 1000)
    for _ in range(500):
        clock.now += 0.01
        refuse(bound, 1000)
        assert bound.now == 8


def test_a_few_refusals_among_many_calls_change_nothing() -> None:
    clock = Clock()
    bound = Bound(64, 8, 1000, clock)
    for _ in range(200):
        clock.now += 0.01
        refuse(bound, 9)
        assert bound.now == 64


def test_a_bound_is_up_again_when_nobody_came_for_a_while() -> None:
    clock = Clock()
    bound = Bound(64, 8, 1000, clock)
    refuse(bound, 1000)
    clock.now += 1.0
    assert bound.refusals == REFUSALS_AT_ONCE
    assert bound.now == 64


def test_what_is_refused_though_nothing_may_be_is_not_owed() -> None:
    clock = Clock()
    bound = Bound(64, 8, 1000, clock)
    for _ in range(1000):  # callers at a limit of their own are refused in any case
        bound.refused()
    clock.now += 0.010
    assert bound.refusals == 10


def test_a_bound_for_overload_above_that_of_calm_is_that_of_calm() -> None:
    bound = Bound(2, 8, 1000, Clock())
    for _ in range(1000):
        bound.refused()
    assert bound.now == 2
