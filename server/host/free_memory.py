"""Gives memory that a burst took, and that nothing uses any more, back to the system.

glibc keeps what is freed for later, in an arena for each thread. After a burst of large requests, or of
answers that nobody read, that was 40 MiB of 350; after a flood of compressed requests once 470 of 780.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

_STATM = Path("/proc/self/statm")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_LOOK_S = 5.0
_GROWTH_BYTES = 16 << 20
_HELD_BYTES = 1 << 20
_JOIN_S = 5.0


def return_free_memory() -> None:
    """Gives whatever is free back to the system; does nothing where the C library is not glibc."""
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


class MemoryReturner:
    """Gives memory back to the system, on a thread of its own, once it has grown and calls hold little of it.

    What the process keeps for good, such as a history that fills, costs one attempt every 16 MiB.
    """

    def __init__(self, held: Callable[[], int]) -> None:
        """Takes what tells the bytes that requests and answers hold."""
        self._held = held
        self._lowest = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="free memory", daemon=True)

    def start(self) -> None:
        """Begins to look, every few seconds."""
        self._lowest = _private_bytes()
        self._thread.start()

    def stop(self) -> None:
        """Stops looking."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(_JOIN_S)

    def look(self) -> None:
        """Gives memory back to the system if that is worth it now."""
        private = _private_bytes()
        self._lowest = min(self._lowest, private)
        if private - self._lowest > _GROWTH_BYTES and self._held() <= _HELD_BYTES:
            return_free_memory()
            self._lowest = _private_bytes()

    def _watch(self) -> None:
        while not self._stopped.wait(_LOOK_S):
            self.look()


def _private_bytes() -> int:
    """Returns the bytes of memory that are this process's own; 0 where the system does not tell."""
    try:
        _, resident, shared, *_ = _STATM.read_text().split()
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(shared)) * _PAGE


@cache
def _malloc_trim() -> Any:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # only glibc has it
        return None
