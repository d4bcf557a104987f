"""How many compiled functions were found on disk and how many had to be compiled, for logs and commands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet


@dataclass(frozen=True, slots=True)
class Tally:
    """Functions of this process so far, each counted once for each combination of argument types.

    found: taken from disk; compiled: not found there.
    """

    found: int
    compiled: int


_functions: WeakSet[Any] = WeakSet()
_watchers: list[Callable[[str], None]] = []


def tally() -> Tally:
    """Returns the counts of this process."""
    stats = [function.stats for function in _functions]
    return Tally(
        found=sum(sum(one.cache_hits.values()) for one in stats),
        compiled=sum(sum(one.cache_misses.values()) for one in stats),
    )


def watch(watcher: Callable[[str], None]) -> None:
    """Has a function called, with the name of what is compiled, whenever the compiler begins with one."""
    _watchers.append(watcher)


def include(function: Any) -> None:
    """Includes a function of numba's in the counts."""
    _functions.add(function)


def begins(function: Any) -> None:
    """Tells the watchers that the compiler begins with a function, if it is included."""
    if function in _functions:
        for watcher in _watchers:
            watcher(f"{function.__module__}.{function.__qualname__}")
