"""Checksums of words that lie in shared memory or a file, and whether they still hold.

A seal is the sum of the words and the sum of the products of their halves, each word first made unlike its
neighbours. A change of a single word is detected, always or with a chance of about 2^-64 of being missed. A
seal is no defence against somebody who computes seals. Memory that dies with its process has none: there the
undo log is empty.
"""

from __future__ import annotations

import numpy as np

from kuntur.compiled.native import native, native_inline

_UNLIKE = np.int64(0x1E3779B97F4A7C15)
_ODD = np.int64(0x2545F4914F6CDD1D)
_HALF = np.int64(0xFFFFFFFF)


@native_inline
def _joined(total, products):
    seal = total + products * _ODD
    return seal if seal != 0 else np.int64(1)


@native
def seal_of(memory, start, words):
    """Returns the seal of memory[start : start + words], never 0."""
    total = products = np.int64(0)
    unlike = _UNLIKE
    for word in range(words):
        value = memory[start + word]
        total += value
        value ^= unlike
        products += (value & _HALF) * ((value >> 32) & _HALF)
        unlike += _UNLIKE
    return _joined(total, products)


@native
def copy_sealing(source, target):
    """Copies words to others, as many, and returns their seal.

    One pass over two views: compiled to vectors it takes 30 ns for the 166 words of a record, copied by
    index and sealed afterwards they took 230.
    """
    total = products = np.int64(0)
    unlike = _UNLIKE
    for word in range(len(source)):
        value = source[word]
        target[word] = value
        total += value
        value ^= unlike
        products += (value & _HALF) * ((value >> 32) & _HALF)
        unlike += _UNLIKE
    return _joined(total, products)


@native
def seal_header(memory, words, undo):
    """Seals the first words of a part in the one behind them."""
    if len(undo) > 0:
        memory[words] = seal_of(memory, 0, words)


@native
def header_holds(memory, words):
    """Tells whether the first words of a part are as they were sealed."""
    return memory[words] == seal_of(memory, 0, words)
