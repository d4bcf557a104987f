"""Numbers as people read them in cards and reports: thousands apart, few digits, never an exponent."""

from __future__ import annotations

import math

_LARGE = 10**15
_LEAST = 1e-6


def number(value: float) -> str:
    """Writes a number with about four digits that count; what is all but zero as the bound it is under."""
    if not math.isfinite(value):
        return "–"
    if abs(value) >= _LARGE:
        return f"more than {_LARGE:,}" if value > 0 else f"less than -{_LARGE:,}"
    if value == int(value):
        return f"{int(value):,}"
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    if size < _LEAST:
        return f"< {_LEAST:f}" if value > 0 else f"between -{_LEAST:f} and 0"
    if size < 1e-4:  # where four digits would be written with an exponent
        return f"{value:.7f}".rstrip("0")
    return f"{value:.4g}"


def per_cent(value: float) -> str:
    """Writes a share of one with one decimal; what is not quite none or all of it is not written as that."""
    if not math.isfinite(value * 100):
        return "–"
    if 0 < value < 0.0005:
        return "< 0.1\u00a0%"
    if 0.9995 <= value < 1:
        return "> 99.9\u00a0%"
    return f"{value * 100:.1f}\u00a0%"


def moved(what: str, gain: float) -> str:
    """Says whether something lowers a measure, raises it or leaves it; gain: by how much it is lower."""
    if gain == 0 or not math.isfinite(gain):
        return f"leaves the {what} as it is"
    return f"{'lowers' if gain > 0 else 'raises'} the {what} by {number(abs(gain))}"


def counted(count: int, noun: str) -> str:
    """Writes a count with its noun, in the plural where it is not one."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
