"""How the kernel's functions are compiled: under the interpreter's lock, kept on disk, and owning nothing.

Numba counts references to an array, atomically, wherever one is handed on. Between the functions of the
engine that took three quarters of its time, for arrays which the caller of the outermost one holds anyway. So
functions only borrow arrays, unless they make some.

Where functions are kept is settled by `kuntur.compiled`; what this leans on is in `kuntur.compiled.inside`.
"""

from __future__ import annotations

from kuntur.compiled.inside.making import BORROWING, compiles

native = compiles(nogil=False, **BORROWING)
"""Compiles a function that makes no array and returns none to Python, which would get another one.

Views of arrays are fine within it and between compiled functions.
"""

native_inline = compiles(nogil=False, inline="always", **BORROWING)
"""The same for one whose code shall stand where it is called."""

native_owning = compiles(nogil=False)
"""Compiles a function that makes arrays; those it calls borrow them."""

native_free = compiles(nogil=True)
"""Compiles a function that may make arrays and lets go of the interpreter's lock while it runs."""

native_free_ieee = compiles(nogil=True, error_model="numpy")
"""The same for one in which a division by zero yields infinity and not an exception."""
