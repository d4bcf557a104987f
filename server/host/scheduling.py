"""How the kernel schedules the server's threads.

Each function says what it gains, as measured in docs/performance.md; without it the server works the same,
only slower.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LOCK_HELD_S = 0.0005  # Python's own is 5 ms, which is ten times what a call takes
_GIVEN_WAY = 5  # steps of nice: a third of what another thread gets of a core that both want


def cores() -> int:
    """Returns how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def prefer_finishing() -> None:
    """Asks for SCHED_BATCH, under which a thread that wakes up does not preempt the running one.

    Each inference releases the interpreter's lock, and gRPC's polling thread waits for it: under the default
    policy the two change places at every call, which costs more than the inference. With 32 calls in flight
    that made 20,500 calls a second instead of 25,400. A lone call is 2 % slower with SCHED_BATCH. Threads
    that are started later inherit the policy. Does nothing where the system has or allows no such policy.
    """
    if hasattr(os, "SCHED_BATCH"):
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def hand_over_soon() -> None:
    """Has threads hand the interpreter's lock over after half a millisecond, where another one waits for it.

    A thread that loads a model, or reads the metrics, would otherwise hold calls up for 5 ms at a time: the
    p99 while models are loaded was 1.1 to 2.0 times the calm one, and is 0.8 to 1.05 times with this.
    """
    sys.setswitchinterval(_LOCK_HELD_S)


def give_way() -> None:
    """Lowers the priority of the calling thread, for good: of one that loads models or takes snapshots.

    With `others_first` the p99 while models are loaded without a pause fell from 15 to 1.2 times the calm
    one. Not as low as SCHED_IDLE, with which it was 1.9 times: on a core that other processes keep busy the
    thread would get a 340th of it, and calls that wait for a lock which it holds, such as the interpreter's,
    would wait as long.
    """
    if sys.platform == "linux":  # elsewhere this is of the whole process
        thread = threading.get_native_id()
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + _GIVEN_WAY)


@contextmanager
def others_first() -> Iterator[None]:
    """Has any other thread of this process preempt the calling one when it wakes up, while the block lasts.

    Under SCHED_BATCH none does: it waits for the next tick, up to 4 ms. So they leave that policy meanwhile;
    `give_way` says what that gains.
    """
    if sys.platform != "linux" or os.sched_getscheduler(0) != os.SCHED_BATCH:
        yield
        return
    before = _other_threads()
    changed = {thread for thread in before if _change(thread, os.SCHED_BATCH, os.SCHED_OTHER)}
    try:
        yield
    finally:
        for thread in _other_threads():
            if thread in changed or thread not in before:  # one that was started by one of them
                _change(thread, os.SCHED_OTHER, os.SCHED_BATCH)


def _other_threads() -> set[int]:
    mine = threading.get_native_id()
    return {int(entry.name) for entry in Path("/proc/self/task").iterdir()} - {mine}


def _change(thread: int, policy: int, to: int) -> bool:
    """Changes the policy of a thread that has a certain one; returns whether it did."""
    with contextlib.suppress(OSError):  # it may have ended meanwhile
        if os.sched_getscheduler(thread) == policy:
            os.sched_setscheduler(thread, to, os.sched_param(0))
            return True
    return False
