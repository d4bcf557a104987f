from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from server.nudging import Nudging
from server.scheduling import give_way


def wake_ups(thread: threading.Thread) -> int:
    """Gives how often a thread went to sleep by itself."""
    status = Path(f"/proc/self/task/{thread.native_id}/status").read_text()
    return int(status.split("\nvoluntary_ctxt_switches:")[1].split()[0])


def named(name: str) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == name]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="this system does not tell of its threads")
def test_somebody_wakes_up_while_a_block_lasts_and_only_then() -> None:
    nudging = Nudging()
    nudging.start()
    (thread,) = named("nudging")
    try:
        for _ in range(3):
            with nudging:
                at_first = wake_ups(thread)
                while wake_ups(thread) < at_first + 50:
                    time.sleep(0.001)
            while True:  # until it waits for the next block
                at_last = wake_ups(thread)
                time.sleep(0.05)
                if wake_ups(thread) == at_last:
                    break
    finally:
        nudging.stop()
    assert not named("nudging")


@pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="this system has no such policy")
def test_whoever_wakes_up_has_not_given_way_itself() -> None:
    nudging = Nudging()
    nudging.start()
    (nudger,) = named("nudging")

    def load() -> None:
        give_way()
        with nudging:
            assert nudger.native_id is not None
            found.append((os.sched_getscheduler(0), os.sched_getscheduler(nudger.native_id)))

    found: list[tuple[int, int]] = []
    thread = threading.Thread(target=load)
    thread.start()
    thread.join()
    nudging.stop()
    assert found == [(os.SCHED_IDLE, os.sched_getscheduler(0))]


def test_what_was_never_started_can_be_used_and_stopped() -> None:
    nudging = Nudging()
    with nudging:
        pass
    nudging.stop()
