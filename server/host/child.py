"""Processes that a server starts of its own program, and speaks with over their standard input and output."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Sequence

READY = "ready"
"""What one says that serves, once it does."""


def started(command: str, descriptors: Sequence[int] = ()) -> subprocess.Popen[str]:
    """Starts a command of `kuntur-server`, which shares this process's standard error. Raises OSError.

    descriptors: what it inherits.
    """
    return subprocess.Popen(
        [sys.executable, "-m", "server", command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        pass_fds=descriptors,
        process_group=0,  # Ctrl-C is for the server, which ends it in order
    )


def give_order(process: subprocess.Popen[str], line: str) -> None:
    """Writes a line to its standard input; where it has died, its end says so."""
    with contextlib.suppress(OSError):
        if process.stdin is not None:
            process.stdin.write(line)
            process.stdin.flush()
