"""The limits that a child sets for itself before it reads anything."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from typing import IO

_PR_SET_PDEATHSIG = 1
_NICE = 5


def confine(max_bytes: int) -> IO[bytes]:
    """Limits this process, and returns where its answers go: what was its standard output.

    It ends with the thread that started it, leaves no core dump and gives way to others. What a library
    prints goes to standard error.

    Args:
        max_bytes: Memory that it may take; more is refused to it, or kills it.
    """
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        resource.setrlimit(resource.RLIMIT_DATA, (max_bytes, max_bytes))
    os.nice(_NICE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return answers
