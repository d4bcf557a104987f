"""What the compiled reader needs to know besides the bytes, as one array: the secret and the code tables.

One array instead of three, because each argument of a compiled call costs a lone transaction time; an
argument and not a constant, because compiled code on disk would outlive a change of `codes.toml`.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from kuntur.compiled.native import native
from kuntur.currency import COUNTRY_NUMBER, CURRENCY_NUMBER, MINOR_UNIT_SCALE

_LETTERS = 26
_A = ord("A")
_COUNTRIES = 2  # the secret is in front
_CURRENCIES = _COUNTRIES + _LETTERS**2
_SCALE_BASE = 1024
_PLAIN = _SCALE_BASE + 1

Context = npt.NDArray[np.uint64]


def _index(code: str) -> int:
    index = 0
    for letter in code:
        index = index * _LETTERS + ord(letter) - _A
    return index


def make_context(secret: npt.NDArray[np.uint64], countries: Iterable[str] = COUNTRY_NUMBER) -> Context:
    """Makes the array from the secret of the ids' hashes, uint64 [2], and the codes of valid countries."""
    context = np.zeros(_CURRENCIES + _LETTERS**3, dtype=np.uint64)
    context[:_COUNTRIES] = secret
    for code in countries:
        if code:
            context[_COUNTRIES + _index(code)] = 1
    for code in CURRENCY_NUMBER:
        multiplier, divisor = MINOR_UNIT_SCALE.get(code, (1, 1))
        context[_CURRENCIES + _index(code)] = multiplier * _SCALE_BASE + divisor
    return context


@native
def _letters(data, start, length):
    index = number = np.int64(0)
    for at in range(start, start + length):
        letter = np.int64(data[at])
        if letter < _A or letter >= _A + _LETTERS:
            return -1, 0
        index = index * _LETTERS + letter - _A
        number = number * 256 + letter
    return index, number


@native
def country_number(context, data, start, length):
    """Returns a country's number as in COUNTRY_NUMBER, -1 for a code that is not valid."""
    if length == 0:
        return 0
    if length != 2:
        return -1
    index, number = _letters(data, start, length)
    if index < 0 or context[_COUNTRIES + index] == np.uint64(0):
        return -1
    return number


@native
def currency_number(context, data, start, length):
    """Returns a currency's number as in CURRENCY_NUMBER and its scale for `cents`; -1 if unknown."""
    if length != 3:
        return -1, 0
    index, number = _letters(data, start, length)
    if index < 0:
        return -1, 0
    scale = np.int64(context[_CURRENCIES + index])
    return (number, scale) if scale != 0 else (-1, 0)


@native
def cents(amount_minor, scale):
    """Returns an amount in hundredths of the unit, rounded towards zero, as `kuntur.currency.to_cents`."""
    if scale == _PLAIN:
        return amount_minor
    size = abs(amount_minor) * (scale // _SCALE_BASE) // (scale % _SCALE_BASE)
    return size if amount_minor >= 0 else -size
