from __future__ import annotations

from server.errors import OverloadedError
from server.rpc.admission.gates import Gate
from server.rpc.admission.overload import INTERVAL_S, REFUSALS_AT_ONCE, RefusalBudget, StandingQueue


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def wait(queue: StandingQueue, seconds: float) -> None:
    """Has a call wait while another one is behind it."""
    queue.came()
    queue.came()
    queue.waited(seconds)


def test_a_queue_stands_when_the_wait_has_been_too_long_for_an_interval() -> None:
    clock = Clock()
    queue = StandingQueue(0.01, clock)
    for _ in range(10):
        wait(queue, 0.02)
        assert not queue.stands
        clock.now += INTERVAL_S / 10.5
    clock.now += INTERVAL_S / 10
    wait(queue, 0.02)
    assert queue.stands
    wait(queue, 0.009)
    assert not queue.stands


def test_a_stall_however_long_is_no_standing_queue_once_it_has_been_worked_off() -> None:
    clock = Clock()
    queue = StandingQueue(0.01, clock)
    for _ in range(20):
        clock.now += 5.0
        wait(queue, 5.0)  # what came before the stall
        wait(queue, 0.001)
        assert not queue.stands


def test_an_empty_queue_does_not_stand_however_long_the_last_call_waited() -> None:
    clock = Clock()
    queue = StandingQueue(0.01, clock)
    for _ in range(3):
        wait(queue, 1.0)
        clock.now += 1.0
    assert queue.stands
    for _ in range(3):  # those that were behind
        queue.waited(1.0)
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
    gate = Gate("calls", 1000, target_wait_s=0.0, refusals_per_s=1e-6)
    gate.queue = StandingQueue(0.01, clock := Clock())
    for _ in range(2):
        wait(gate.queue, 1.0)
        clock.now += 2 * INTERVAL_S
    assert gate.queue.stands
    found = [gate.enter() for _ in range(200)]
    refused = [one for one in found if isinstance(one, OverloadedError)]
    assert len(refused) == REFUSALS_AT_ONCE
    assert {str(one) for one in refused} == {
        "calls have waited too long for the server to take more of them now"
    }
    assert gate.inside == 200 - REFUSALS_AT_ONCE


def test_callers_are_counted_once_so_many_places_are_taken_and_one_never_gets_all() -> None:
    gate = Gate("calls", 8, per_caller=2, uncounted=2)
    entered = 0
    while gate.enter("a" if gate.counts_callers else "") is None:
        entered += 1
    assert entered == 4
    assert gate.enter("b") is None
