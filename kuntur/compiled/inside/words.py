"""Reads eight bytes at once; where numba cannot be made to, one after the other."""

from __future__ import annotations

import numpy as np
from numba import types
from numba.extending import intrinsic

from kuntur.compiled.inside.llvm import ir
from kuntur.compiled.inside.making import BORROWING, compiles
from kuntur.compiled.inside.probing import works

_native = compiles(nogil=False, **BORROWING)


@intrinsic
def _load(typing_context, data, index):  # noqa: ARG001 - numba hands it over
    def generate(context, builder, signature, arguments):
        base = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        address = builder.bitcast(builder.gep(base, [arguments[1]]), ir.IntType(64).as_pointer())
        return builder.load(address, align=1)

    return types.uint64(data, index), generate


@_native
def _load_at_once(data, index):
    return _load(data, index)


@_native
def load_by_bytes(data, index):
    """Does what `load_word` does, byte by byte: it costs four times as much."""
    word = np.uint64(0)
    for byte in range(8):
        word |= np.uint64(data[index + byte]) << np.uint64(8 * byte)
    return word


LOADS_AT_ONCE = works("hashing ids", _load_at_once, np.zeros(8, dtype=np.uint8), 0)
load_word = _load_at_once if LOADS_AT_ONCE else load_by_bytes
"""Returns the 8 bytes from data[index] on as uint64, little end first; the caller checks the bounds.

Single loads cost four times as much, and this is most of what hashing reads.
"""
