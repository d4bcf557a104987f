"""Compiled functions only borrow arrays: counting references to them cost more than the work."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numba import njit

from kuntur.compiled.native import native, native_inline, native_owning
from kuntur.features import kernel
from kuntur.history import serving


def _hands_on(compile_: Any) -> str:
    """Returns the LLVM code of a function that hands arrays to another and keeps one in a tuple."""

    @compile_
    def add(pair: Any, i: int) -> None:
        pair[0][i] += pair[1][i]

    @compile_
    def add_all(words: Any, more: Any) -> int:
        both = (words, more)
        for i in range(len(words)):
            add(both, i)
        return len(words)

    words = np.arange(3)
    assert add_all(words, words.copy()) == 3
    assert words.tolist() == [0, 2, 4]
    return "".join(add_all.inspect_llvm().values())


def test_numba_counts_references_by_itself() -> None:
    assert "NRT_incref" in _hands_on(njit(nogil=False))


@pytest.mark.parametrize("compile_", [native, native_inline], ids=["native", "native_inline"])
def test_native_functions_count_none(compile_: Any) -> None:
    assert "NRT_incref" not in _hands_on(compile_)


def test_owning_functions_may_make_arrays() -> None:
    @native_owning
    def squares(n: int) -> Any:
        made = np.empty(n)
        for i in range(n):
            made[i] = i * i
        return made

    assert squares(4).tolist() == [0.0, 1.0, 4.0, 9.0]


@pytest.mark.parametrize("function", [kernel.process, kernel.report, serving.take_transactions])
def test_the_engine_is_compiled_so(function: Any) -> None:
    assert function.targetoptions["_nrt"] is False
