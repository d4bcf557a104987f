from __future__ import annotations

import pytest

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


def press(bound: Bound, clock: Clock, seconds: float) -> set[int]:
    """Refuses every millisecond whatever may be refused; gives the bounds that it found on the way."""
    found = set()
    end = clock.now + seconds
    while clock.now < end:
        clock.now += 0.001
        refuse(bound, 1000)
        found.add(bound.now)
    return found


def test_a_bound_falls_when_much_is_refused_on_end_and_doubles_back_once_it_is_not() -> None:
    clock = Clock()
    bound = Bound(64, 8, 1000, clock)
    refuse(bound, 1000)
    assert press(bound, clock, 0.099) == {64}
    press(bound, clock, 0.003)
    assert bound.now == 8
    found = []
    for _ in range(5):
        clock.now += 0.11
        assert bound.refusals
        found.append(bound.now)
    assert found == [16, 32, 64, 64, 64]


def test_bursts_change_nothing_however_much_of_each_is_refused() -> None:
    clock = Clock()
    bound = Bound(64, 8, 1000, clock)
    for _ in range(20):
        assert press(bound, clock, 0.06) == {64}
        clock.now += 0.04
        assert bound.refusals >= REFUSALS_AT_ONCE // 2


def test_a_bound_stays_up_as_long_as_half_of_what_may_be_refused_is_left() -> None:
    clock = Clock()
    bound = Bound(64, 8, 1000, clock)
    refuse(bound, REFUSALS_AT_ONCE // 2 - 1)
    for _ in range(500):
        clock.now += 0.001
        assert refuse(bound, 1) == 1
        assert bound.now == 64


def test_a_bound_stays_low_while_refusals_go_on() -> None:
    clock = Clock()
    bound = Bound(64, 8, 1000, clock)
    press(bound, clock, 0.2)
    assert press(bound, clock, 19.0) == {8}


def test_after_each_twenty_seconds_of_overload_the_bound_of_calm_gets_a_tenth_of_a_second() -> None:
    clock = Clock()
    bound = Bound(64, 8, 1000, clock)
    stretches = []
    for _ in range(4):
        start, now = clock.now, bound.now
        while bound.now == now:
            press(bound, clock, 0.001)
        stretches.append((now, clock.now - start))
    assert [now for now, _ in stretches] == [64, 8, 64, 8]
    assert [seconds for _, seconds in stretches] == pytest.approx([0.1, 20.0, 0.1, 20.0], abs=0.005)


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
    press(bound, clock, 0.2)
    assert bound.now == 8
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
    clock = Clock()
    bound = Bound(2, 8, 1000, clock)
    assert press(bound, clock, 1.0) == {2}
