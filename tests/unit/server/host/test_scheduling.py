from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from server.host.scheduling import give_way, others_first

linux = pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own here")


def on_a_thread(work: Callable[[], None]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_threads_started_afterwards_do_not_push_each_other_aside() -> None:
    code = (
        "import os, threading; from server.host.scheduling import prefer_finishing; prefer_finishing()\n"
        "found = []\n"
        "thread = threading.Thread(target=lambda: found.append(os.sched_getscheduler(0)))\n"
        "thread.start(); thread.join()\n"
        "assert found == [os.SCHED_BATCH], found"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@linux
def test_a_thread_that_gives_way_does_so_alone_and_still_has_a_share_of_a_busy_core() -> None:
    found: list[tuple[int, int]] = []

    def look() -> None:
        give_way()
        found.append((os.getpriority(os.PRIO_PROCESS, threading.get_native_id()), os.sched_getscheduler(0)))

    before = os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0)
    on_a_thread(look)
    ((nice, policy),) = found
    assert before[0] < nice < 19
    assert policy == before[1] != os.SCHED_IDLE
    assert (os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0)) == before


@linux
def test_the_other_threads_push_one_aside_only_while_a_block_lasts() -> None:
    mine, other, over = [], threading.Event(), threading.Event()
    policies: list[list[int]] = []

    def wait() -> None:
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        mine.append(threading.get_native_id())
        other.set()
        over.wait(60)

    def look() -> None:
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        found = policies.append
        both = (0, mine[0])
        found([os.sched_getscheduler(thread) for thread in both])
        with others_first():
            found([os.sched_getscheduler(thread) for thread in both])
        found([os.sched_getscheduler(thread) for thread in both])

    waiting = threading.Thread(target=wait)
    waiting.start()
    other.wait(60)
    before = os.sched_getscheduler(0)
    on_a_thread(look)
    over.set()
    waiting.join()
    batch, usual = os.SCHED_BATCH, os.SCHED_OTHER
    assert policies == [[batch, batch], [batch, usual], [batch, batch]]
    assert os.sched_getscheduler(0) == before


@linux
def test_a_process_that_prefers_nothing_is_left_as_it_is() -> None:
    policies = [os.sched_getscheduler(0)]
    with others_first():
        policies.append(os.sched_getscheduler(0))
    assert policies == [os.SCHED_OTHER] * 2
