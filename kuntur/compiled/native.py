"""How the kernel's functions are compiled: under the interpreter's lock, kept on disk, and owning nothing.

Numba counts references to an array, atomically, wherever one is handed on. Between the functions of the
engine that took three quarters of its time, for arrays which the caller of the outermost one holds anyway. So
functions only borrow arrays, unless they make some.

The option has no public name (`_nrt`); numba's version is locked, and tests/unit/kernel/test_native.py fails
if it ever ceases to be. Where functions are kept is settled by `kuntur.compiled`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit

from kuntur.compiled.numba_cache import keep_compiled


def _compiles(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    decorate = njit(**options)
    return lambda function: keep_compiled(decorate(function))


native = _compiles(nogil=False, _nrt=False)
"""Compiles a function that makes no array and gives none back to Python, which would get another one.

Views of arrays are fine within it and between compiled functions.
"""

native_inline = _compiles(nogil=False, _nrt=False, inline="always")
"""The same for one whose code shall stand where it is called."""

native_owning = _compiles(nogil=False)
"""Compiles a function that makes arrays; those it calls borrow them."""

native_free = _compiles(nogil=True)
"""Compiles a function that may make arrays and lets go of the interpreter's lock while it runs."""

native_free_ieee = _compiles(nogil=True, error_model="numpy")
"""The same for one in which a division by zero gives infinity and not an exception."""
