"""The phases of a run, one after the other: how long each took and the most memory that was held in it.

What the phases are is left to the run, what becomes of the figures to those who show and keep them.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from trainer.memory import family, high_water_bytes, resident_bytes

_LOOK_S = 0.05  # some 10 µs a look
_LOOKS_A_TURN = 10  # after which the other processes are looked at, too: some milliseconds with Ray's


@dataclass(frozen=True, slots=True)
class Phase:
    """What a phase took.

    seconds: of the wall clock; rows: how many it worked on, None where there is no such number; peak_bytes:
    the most memory that this process held; worker_peak_bytes: the most that one of the processes held that
    this one had started on this machine, without what they share, 0 where there was none.
    """

    name: str
    seconds: float
    rows: int | None
    peak_bytes: int
    worker_peak_bytes: int


class Phases:
    """Notes phases while a block lasts; each ends where the next begins, or with the block.

    The peak of this process is exact in a phase that held more than all before it, since Linux keeps the
    highest mark. In others, and of other processes, it is the largest of what was seen every 50 ms and every
    500 ms.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._watch = threading.Thread(target=self._look_on, name="phases", daemon=True)
        self._ended: list[Phase] = []
        self._name = ""
        self._rows: int | None = None
        self._began = 0.0
        self._mark = self._seen = self._seen_of_workers = 0

    def __enter__(self) -> Self:
        self._watch.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
        self._stopped.set()
        self._watch.join()

    def begin(self, name: str, rows: int | None = None) -> None:
        """Begins a phase and ends the one before; rows: how many it works on, where that is known."""
        self.end()
        with self._lock:
            self._name, self._rows, self._began = name, rows, time.monotonic()
            self._mark, self._seen = high_water_bytes(os.getpid()), resident_bytes(os.getpid())
            self._seen_of_workers = 0

    def count(self, rows: int) -> None:
        """Says how many rows the phase that runs worked on, where only its end tells."""
        self._rows = rows

    def end(self) -> None:
        """Ends the phase that runs, if any."""
        self._look()
        self._look_at_workers()
        with self._lock:
            if not self._name:
                return
            mark = high_water_bytes(os.getpid())
            peak = mark if mark > self._mark else self._seen
            seconds = time.monotonic() - self._began
            self._ended.append(Phase(self._name, seconds, self._rows, peak, self._seen_of_workers))
            self._name = ""

    @property
    def ended(self) -> tuple[Phase, ...]:
        """The phases that are over, in their order."""
        return tuple(self._ended)

    def _look_on(self) -> None:
        looks = 0
        while not self._stopped.wait(_LOOK_S):
            looks += 1
            self._look()
            if looks % _LOOKS_A_TURN == 0:
                self._look_at_workers()

    def _look(self) -> None:
        with self._lock:
            self._seen = max(self._seen, resident_bytes(os.getpid()))

    def _look_at_workers(self) -> None:
        others = family(os.getpid())[1:]
        most = max((resident_bytes(pid, shared=False) for pid in others), default=0)
        with self._lock:
            self._seen_of_workers = max(self._seen_of_workers, most)


def phase_figures(phases: Iterable[Phase]) -> dict[str, float]:
    """Returns what phases took as figures by name, such as `phases.search.seconds`."""
    figures: dict[str, float] = {}
    for phase in phases:
        figures[f"phases.{phase.name}.seconds"] = round(phase.seconds, 3)
        figures[f"phases.{phase.name}.peak_bytes"] = phase.peak_bytes
        figures[f"phases.{phase.name}.worker_peak_bytes"] = phase.worker_peak_bytes
        if phase.rows is not None:
            figures[f"phases.{phase.name}.rows"] = phase.rows
    return figures
