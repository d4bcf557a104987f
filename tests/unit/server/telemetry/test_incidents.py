from __future__ import annotations

from typing import Any

import pytest
import structlog

from server.telemetry.incidents import LINES_A_SECOND, TRACEBACKS_A_MINUTE, IncidentLog


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def raised(kind: type[Exception] = KeyError) -> Exception:
    def fail() -> None:
        raise kind("account a-1, 120.50")

    try:
        fail()
    except kind as error:
        return error
    raise AssertionError


def told(log: IncidentLog, count: int, kind: type[Exception] = KeyError) -> list[Any]:
    with structlog.testing.capture_logs() as events:
        ids = {log.tell(raised(kind)) for _ in range(count)}
    assert len(ids) == count
    return events


def test_of_one_kind_a_few_tracebacks_a_minute_are_written(clock: Clock) -> None:
    log = IncidentLog(clock)
    events = told(log, 10)
    assert len(events) == 10
    assert [event["exc_info"] is not None for event in events].count(True) == TRACEBACKS_A_MINUTE
    assert told(log, 1, ValueError)[0]["exc_info"] is not None
    clock.now = 61.0
    assert told(log, 1)[0]["exc_info"] is not None


def test_so_many_lines_a_second_are_written_and_the_others_counted(clock: Clock) -> None:
    log = IncidentLog(clock)
    assert len(told(log, 1000)) == LINES_A_SECOND
    clock.now = 1.0
    first, second = told(log, 2)
    assert first["left_out"] == 1000 - LINES_A_SECOND
    assert "left_out" not in second


def test_a_line_names_class_and_place_and_not_what_was_sent(clock: Clock) -> None:
    (event,) = told(IncidentLog(clock), 1)
    assert event["error"] == "KeyError"
    assert "test_incidents.py" in event["at"]
    assert "a-1" not in str({name: value for name, value in event.items() if name != "exc_info"})
