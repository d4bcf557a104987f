"""Keeps the compiler from moving writes across a point; a process that dies leaves those before it done.

There is no plain way to say so in Python. Where numba cannot be made to, the import fails: a history that is
shared or a file would be left half written by a process that dies, and nobody would know.
"""

from __future__ import annotations

from numba import types
from numba.extending import intrinsic


@intrinsic
def in_order(typing_context):  # noqa: ARG001 - numba hands it over
    """Ends what comes before in the order of the program. No instruction: it binds the compiler alone."""

    def generate(context, builder, signature, arguments):  # noqa: ARG001
        builder.fence("seq_cst", "singlethread")
        return context.get_dummy_value()

    return types.void(), generate
