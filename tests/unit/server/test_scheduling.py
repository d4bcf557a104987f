from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from server.scheduling import give_way


def test_threads_started_afterwards_do_not_push_each_other_aside() -> None:
    code = (
        "import os, threading; from server.scheduling import prefer_finishing; prefer_finishing()\n"
        "found = []\n"
        "thread = threading.Thread(target=lambda: found.append(os.sched_getscheduler(0)))\n"
        "thread.start(); thread.join()\n"
        "assert found == [os.SCHED_BATCH], found"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="this system has no such policy")
def test_a_thread_that_gives_way_does_so_alone() -> None:
    found: list[int] = []

    def look() -> None:
        give_way()
        found.append(os.sched_getscheduler(0))

    before = os.sched_getscheduler(0)
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [os.SCHED_IDLE]
    assert os.sched_getscheduler(0) == before
