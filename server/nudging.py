"""Keeps a thread that has given way from keeping a core all the same.

Linux lets a thread under SCHED_IDLE go on until its next tick, up to 4 ms, when it comes to run while one
that waits has had more than its share of late: it looks again only at a tick, or when somebody wakes up.
Measured while models were loaded beside calls at half the maximum rate: ten times a second for 1 to 4 ms,
which doubled the p99 of the calls. So somebody wakes up.
"""

from __future__ import annotations

import threading
from queue import SimpleQueue
from types import TracebackType

import numpy as np
import numpy.typing as npt
from numba import types

from kuntur.native import native_free

_EVERY_US = 1_000
_usleep = types.ExternalFunction("usleep", types.intc(types.uintc))


@native_free
def _wake_up_often(going_on: npt.NDArray[np.int64]) -> None:
    while going_on[0]:
        _usleep(_EVERY_US)


def compile_nudging() -> None:
    """Compiles what wakes up, so that no first use waits for the compiler."""
    _wake_up_often(np.zeros(1, dtype=np.int64))


class Nudging:
    """Has the kernel look every millisecond who is to run while a block lasts. One block at a time.

    The thread that wakes up for it takes no lock of the interpreter, and less than 1 % of a core.
    """

    def __init__(self) -> None:
        self._blocks: SimpleQueue[npt.NDArray[np.int64] | None] = SimpleQueue()
        self._going_on = np.zeros(1, dtype=np.int64)
        self._thread = threading.Thread(target=self._run, name="nudging", daemon=True)

    def start(self) -> None:
        """Starts its thread, under the policy of the calling one, which must not have given way."""
        compile_nudging()
        self._thread.start()

    def stop(self) -> None:
        """Ends its thread."""
        self._blocks.put(None)
        if self._thread.is_alive():
            self._thread.join()

    def __enter__(self) -> None:
        self._going_on = np.ones(1, dtype=np.int64)
        self._blocks.put(self._going_on)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._going_on[0] = 0

    def _run(self) -> None:
        while (going_on := self._blocks.get()) is not None:
            _wake_up_often(going_on)
