"""Progress of long work, for a person at a terminal or a log file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars

# Trials take minutes: a speed from the last half minute, which is rich's default, would be none.
_SPEED_OVER_S = 3600.0
_FEW = 100  # steps that are worth a line each


class Progress(ABC):
    """Where work says how far it is."""

    @abstractmethod
    def step(self, name: str, done: int, total: int, detail: str = "") -> None:
        """Says that `done` of `total` of a stage are done."""

    @abstractmethod
    def note(self, text: str) -> None:
        """Says something once."""


class Silent(Progress):
    """Says nothing."""

    def step(self, name: str, done: int, total: int, detail: str = "") -> None:
        """Says nothing."""

    def note(self, text: str) -> None:
        """Says nothing."""


class Terminal(Progress):
    """Bars on a terminal, a line a stage elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.description:<22}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[detail]}"),
            console=console,
            disable=not console.is_terminal,
            speed_estimate_period=_SPEED_OVER_S,
        )
        self._tasks: dict[str, TaskID] = {}
        self._printed = ("", 0)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def step(self, name: str, done: int, total: int, detail: str = "") -> None:
        """Moves a bar; elsewhere than on a terminal, prints lines: a step, or a stage of many."""
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=total, detail=detail)
        self._bars.update(self._tasks[name], completed=done, total=total, detail=detail)
        if self._console.is_terminal or (name, done) == self._printed:
            return
        if done >= total or (done > 0 and total <= _FEW):
            self._printed = (name, done)
            self._console.print(f"{name}: {done:,} of {total:,} {detail}".rstrip())

    def note(self, text: str) -> None:
        """Prints a line above the bars."""
        self._console.print(text, markup=False)
