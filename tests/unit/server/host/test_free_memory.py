from __future__ import annotations

import pytest

from server.host import free_memory
from server.host.free_memory import MemoryReturner

_MIB = 1 << 20


class Process:
    """A process whose memory is set by hand."""

    def __init__(self) -> None:
        self.private, self.free, self.held, self.returned = 300 * _MIB, 0, 0, 0

    def give_back(self) -> None:
        self.private -= self.free
        self.free, self.returned = 0, self.returned + 1


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Process:
    process = Process()
    monkeypatch.setattr(free_memory, "_private_bytes", lambda: process.private)
    monkeypatch.setattr(free_memory, "return_free_memory", process.give_back)
    return process


def test_memory_that_a_burst_took_is_given_back_once_nothing_holds_it(process: Process) -> None:
    returner = MemoryReturner(lambda: process.held)
    returner.start()
    process.private, process.free, process.held = 360 * _MIB, 55 * _MIB, 40 * _MIB
    returner.look()
    assert process.returned == 0
    process.held = 0
    returner.look()
    assert (process.returned, process.private) == (1, 305 * _MIB)
    returner.look()
    assert process.returned == 1
    returner.stop()


def test_memory_that_grows_for_good_is_looked_through_once_for_each_growth(process: Process) -> None:
    returner = MemoryReturner(lambda: process.held)
    returner.start()
    for _ in range(32):
        process.private += 2 * _MIB
        returner.look()
    assert process.returned == 3
    returner.stop()


def test_memory_is_given_back_for_real() -> None:
    free_memory.return_free_memory()
    assert free_memory._private_bytes() > 0
