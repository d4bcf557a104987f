"""How numba is asked to compile: with its files kept in our places, and arrays borrowed.

Borrowing is an option of numba without a public name, `_nrt`. Where it is gone, functions count references to
every array that they hand on, and give the same results in more time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit

from kuntur.compiled.inside.cache import keep_compiled


def _borrowing() -> dict[str, bool]:
    try:
        from numba.core.cpu import CPUTargetOptions
    except ImportError:
        return {}
    return {"_nrt": False} if hasattr(CPUTargetOptions, "_nrt") else {}


BORROWING = _borrowing()


def compiles(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Returns a decorator that has numba compile a function, and keeps it on disk."""
    decorate = njit(**options)
    return lambda function: keep_compiled(decorate(function))
