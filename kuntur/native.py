"""How the kernel's functions are compiled: under the interpreter's lock, kept on disk, and owning nothing.

Numba counts references to an array, atomically, wherever one is handed on. Between the functions of the
engine that took three quarters of its time, for arrays which the caller of the outermost one holds anyway. So
functions only borrow arrays, unless they make some.

The option has no public name (`_nrt`); numba's version is locked, and tests/unit/kernel/test_native.py fails
if it ever ceases to be.
"""

from __future__ import annotations

from numba import njit

native = njit(cache=True, nogil=False, _nrt=False)
"""Compiles a function that makes no array and gives none back to Python, which would get another one.

Views of arrays are fine within it and between compiled functions.
"""

native_inline = njit(cache=True, nogil=False, _nrt=False, inline="always")
"""The same for one whose code shall stand where it is called."""

native_owning = njit(cache=True, nogil=False)
"""Compiles a function that makes arrays; those it calls borrow them."""
