"""Asks the processor for memory that is going to be needed.

A frame's records lie far apart, and waiting for each of them costs more than all arithmetic: with
10,000 accounts the loop took 2.8 µs a row without and 1.7 µs with this. It changes no result.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from kuntur.compiled.native import native
from kuntur.records.table import HEADER_WORDS, P_INDEX, P_RECORD_WORDS, find_probable

_LINE_WORDS = 8  # 64 bytes


@intrinsic
def _prefetch(typing_context, array, index):  # noqa: ARG001 - numba hands it over
    def generate(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        address = builder.bitcast(builder.gep(data, [arguments[1]]), cgutils.voidptr_t)
        kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t] + [ir.IntType(32)] * 3)
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        # for writing, to be kept in all caches, data
        builder.call(function, [address] + [ir.Constant(ir.IntType(32), value) for value in (1, 3, 1)])
        return context.get_dummy_value()

    return types.void(array, index), generate


@native
def prefetch_word(memory, index):
    """Fetches the word at an index, and with it the line that it is in."""
    _prefetch(memory, index)


@native
def prefetch_place(table, key):
    """Fetches the place of a key in the index."""
    _prefetch(table, np.int64(HEADER_WORDS) + (np.int64(key) & (table[P_INDEX] - 1)))


@native
def prefetch_record(table, key):
    """Fetches the record of a key, if there is one."""
    start = find_probable(table, key)  # a look at the record itself would wait for it
    if start >= 0:
        for word in range(0, table[P_RECORD_WORDS], _LINE_WORDS):
            _prefetch(table, start + word)
        _prefetch(table, start + table[P_RECORD_WORDS] - 1)  # a record may begin within a line
