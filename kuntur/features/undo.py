"""What a change overwrites, kept until the change is whole: so that a death in its middle leaves no trace.

The log is int64 words in the same memory as what it is about: undo[0] is the first free word; entries follow
it, each the old words, then where they stood and how many they are, so that they are read from the end. An
empty array keeps nothing: a history that dies with its process needs none of this.
"""

from __future__ import annotations

import numpy as np
from numba import types
from numba.extending import intrinsic

from kuntur.native import native

UNDO_WORDS = 1 << 16  # a transaction fills at most a hundredth of it
NO_UNDO = np.empty(0, dtype=np.int64)
_FIRST = 1


@intrinsic
def _in_order(typing_context):  # noqa: ARG001 - numba hands it over
    """Keeps the compiler from moving writes across; a process that dies leaves those before it done."""

    def generate(context, builder, signature, arguments):  # noqa: ARG001
        builder.fence("seq_cst", "singlethread")
        return context.get_dummy_value()

    return types.void(), generate


@native
def start_undo(undo):
    """Makes a log ready for use."""
    undo[0] = _FIRST


@native
def keep(undo, memory, base, start, words):
    """Keeps memory[start : start + words], which is about to be overwritten.

    base: where memory[0] stands in the whole memory that `roll_back` is given.
    """
    if len(undo) == 0:
        return
    at = undo[0]
    for word in range(words):  # a slice would look for overlaps first
        undo[at + word] = memory[start + word]
    undo[at + words] = base + start
    undo[at + words + 1] = words
    _in_order()
    undo[0] = at + words + 2
    _in_order()


@native
def commit(undo):
    """Forgets what was kept: the change is whole."""
    if len(undo) > 0:
        _in_order()
        undo[0] = _FIRST
        _in_order()


@native
def roll_back(undo, memory):
    """Puts back all that was kept, the latest first. Gives how many entries those were.

    A death in its own middle does no harm: what was put back stays as it is when put back again.
    """
    entries = 0
    at = undo[0]
    while at > _FIRST:
        words, start = undo[at - 1], undo[at - 2]
        at -= 2 + words
        for word in range(words):
            memory[start + word] = undo[at + word]
        entries += 1
    _in_order()
    undo[0] = _FIRST
    return entries
