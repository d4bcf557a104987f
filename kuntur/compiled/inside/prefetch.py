"""Asks the processor for memory that is going to be needed. It changes no result.

Where numba cannot be made to write that instruction, nothing is fetched ahead.
"""

from __future__ import annotations

import numpy as np
from numba import types
from numba.extending import intrinsic

from kuntur.compiled.inside.llvm import ir
from kuntur.compiled.inside.making import BORROWING, compiles
from kuntur.compiled.inside.probing import works

_native = compiles(nogil=False, **BORROWING)


@intrinsic
def _prefetch(typing_context, array, index):  # noqa: ARG001 - numba hands it over
    def generate(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        address = builder.bitcast(builder.gep(data, [arguments[1]]), ir.IntType(8).as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [ir.IntType(8).as_pointer()] + [ir.IntType(32)] * 3)
        name = "llvm.prefetch.p0"
        function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
        # for writing, to be kept in all caches, data
        builder.call(function, [address] + [ir.Constant(ir.IntType(32), value) for value in (1, 3, 1)])
        return context.get_dummy_value()

    return types.void(array, index), generate


@_native
def _fetch(memory, index):
    _prefetch(memory, index)


@_native
def _fetch_nothing(memory, index):
    pass


FETCHES = works("fetching records ahead", _fetch, np.zeros(1, dtype=np.int64), 0)
prefetch_word = _fetch if FETCHES else _fetch_nothing
"""Fetches the word at an index of an array, and with it the line of the caches that it is in."""
