"""Compiled functions on disk: where they are kept, for which processor, and how to make them ahead.

Light enough for `--help`: only `native` and `inside` import numba, and nothing here imports them.
"""

from kuntur.compiled.ahead import CompiledAhead, CompileError, compile_ahead
from kuntur.compiled.places import Places, choose_places, chosen_places
from kuntur.compiled.progress import Tally, tally, watch

__all__ = [
    "CompileError",
    "CompiledAhead",
    "Places",
    "Tally",
    "choose_places",
    "chosen_places",
    "compile_ahead",
    "tally",
    "watch",
]
