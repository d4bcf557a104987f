from __future__ import annotations

from server.errors import OverloadedError
from server.rpc.admission import Gate
from server.rpc.overload import INTERVAL_S, REFUSALS_AT_ONCE, RefusalBudget, StandingQueue


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def _overload(queue: StandingQueue, clock: Clock) -> None:
    for _ in range(3):
        clock.now += 0.6 * INTERVAL_S
        queue.waited(0.02)
    assert queue.stands


def test_a_queue_stands_when_the_wait_has_been_too_long_for_an_interval() -> None:
    clock = Clock()
    queue = StandingQueue(0.01, clock)
    for _ in range(10):
        queue.waited(0.02)
        assert not queue.stands
        clock.now += INTERVAL_S / 10.5
    clock.now += INTERVAL_S / 10
    queue.waited(0.02)
    assert queue.stands
    queue.waited(0.009)
    assert not queue.stands


def test_a_queue_that_nobody_is_left_in_stands_no_more_and_the_next_caller_is_let_in() -> None:
    clock = Clock()
    gate = Gate("calls", 4, target_wait_s=0.01, refusals_per_s=1e6)
    gate.queue = StandingQueue(0.01, clock)
    _overload(gate.queue, clock)
    assert isinstance(gate.enter(), OverloadedError)  # there may be more in the queue
    clock.now += 1.1 * INTERVAL_S
    assert gate.enter() is None
    assert not gate.queue.stands


def test_a_stall_however_long_is_no_standing_queue_once_it_has_been_worked_off() -> None:
    clock = Clock()
    queue = StandingQueue(0.01, clock)
    for _ in range(20):
        clock.now += 5.0
        queue.waited(5.0)  # what came before the stall
        queue.waited(0.001)
        assert not queue.stands


def test_refusals_have_a_budget_of_some_at_once_and_then_so_many_a_second() -> None:
    clock = Clock()
    budget = RefusalBudget(1000, clock)
    assert sum(budget.take() for _ in range(1000)) == REFUSALS_AT_ONCE
    clock.now += 0.0105
    assert sum(budget.take() for _ in range(1000)) == 10
    clock.now += 5.0
    assert sum(budget.take() for _ in range(1000)) == REFUSALS_AT_ONCE


def test_a_gate_whose_queue_stands_refuses_within_the_budget_and_lets_the_others_in() -> None:
    gate, clock = Gate("calls", 1000, target_wait_s=0.01, refusals_per_s=1e-6), Clock()
    gate.queue = StandingQueue(0.01, clock)
    _overload(gate.queue, clock)
    found = [gate.enter() for _ in range(200)]
    refused = [one for one in found if isinstance(one, OverloadedError)]
    assert len(refused) == REFUSALS_AT_ONCE
    assert gate.inside == 200 - REFUSALS_AT_ONCE


def test_callers_are_counted_once_so_many_places_are_taken_and_one_never_gets_all() -> None:
    gate = Gate("calls", 8, per_caller=2, uncounted=2)
    entered = 0
    while gate.enter("a" if gate.counts_callers else "") is None:
        entered += 1
    assert entered == 4
    assert gate.enter("b") is None
