"""How the kernel schedules the server's threads."""

from __future__ import annotations

import contextlib
import os
import sys

_LOCK_HELD_S = 0.0005  # Python's own is 5 ms, which is ten times what a call takes


def cores() -> int:
    """Gives how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def prefer_finishing() -> None:
    """Asks for SCHED_BATCH, under which a thread that wakes up does not push the running one aside.

    Each inference lets go of the interpreter's lock, and gRPC's polling thread waits for it: under the
    default policy the two change places at every call, which costs more than the inference. Threads that
    are started afterwards inherit the policy. Does nothing where the system has or allows no such policy.
    """
    if hasattr(os, "SCHED_BATCH"):
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def hand_over_soon() -> None:
    """Has threads hand the interpreter's lock over after half a millisecond, where another one waits for it.

    Whoever loads a model, or reads the metrics, would otherwise hold calls up for 5 ms at a time.
    """
    sys.setswitchinterval(_LOCK_HELD_S)


def give_way() -> None:
    """Asks for SCHED_IDLE for the calling thread, which then runs only while nobody else wants its core.

    Whoever wakes up pushes it aside at once, whatever its own policy. Does nothing where the system has or
    allows no such policy.
    """
    if hasattr(os, "SCHED_IDLE"):
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
