"""A child with pipes to it, as whoever started it sees it: started, given a time, ended."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_END_S = 5.0


def start(module: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Starts a module as a program, with pipes to its standard input and output. Raises OSError.

    The kernel ends it with the thread that calls this, once it has called `confine`.
    """
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        process_group=0,  # Ctrl-C is for whoever started it
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )


@contextmanager
def deadline(process: subprocess.Popen[bytes], seconds: float) -> Iterator[threading.Event]:
    """Kills the process where the block takes longer; the event tells that it did."""
    late = threading.Event()

    def overdue() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(seconds, overdue)
    timer.daemon = True
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()


def end(process: subprocess.Popen[bytes]) -> None:
    """Ends the process and takes its pipes away."""
    process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_END_S)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


def how_it_ended(process: subprocess.Popen[bytes], max_bytes: int) -> str:
    """Returns in words how a process ended that was to answer."""
    code = process.returncode
    how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
    return f"ended with {how}; it may have needed more than {max_bytes / (1 << 30):.3g} GiB"
