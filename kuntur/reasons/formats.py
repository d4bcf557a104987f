"""Numbers as people read them: amounts, counts, shares, times, in English and with few digits."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

# Takes a value that is set and the currency code to show before money, empty where it is not known.
Format = Callable[[float, str], str]

_SMALL, _LARGE = 1e-4, 10**15  # beyond these a number is shown by the bound
_LEAST_SHARE = 0.01  # of shares and factors: finer than that, nobody reads
_HALF_A_CENT = 0.005
_HOURS_A_DAY = 24
_DAYS = {"h": 1 / 24, "d": 1.0}
_SPAN = re.compile(r"(\d+)([hd])")


def days(span: str) -> float:
    """Returns the length of a span such as 24h or 30d, in days. Raises ValueError."""
    found = _SPAN.fullmatch(span)
    if found is None:
        raise ValueError(f"{span!r} is not a span of time such as 24h or 30d")
    return int(found[1]) * _DAYS[found[2]]


def span_in_words(span: str) -> str:
    """Returns a span as it reads behind "in the last": 1h as hour, 30d as 30 d; anything else as it is."""
    found = _SPAN.fullmatch(span)
    if found is None:
        return span
    if found[1] == "1":
        return "hour" if found[2] == "h" else "day"
    return f"{found[1]} {found[2]}"


def number(value: float, currency: str = "") -> str:
    """Returns a number with three digits that say something, whole from 100 on, in groups of three.

    Never with an exponent: what is too near to zero or too far from it is named by the bound it is beyond.
    """
    del currency
    if not math.isfinite(value):
        return "∞" if value > 0 else "-∞"
    size = abs(value)
    if size >= _LARGE:
        return f"more than {_LARGE:,}" if value > 0 else f"less than -{_LARGE:,}"
    if size >= 99.95 or value == round(value):
        return f"{value or 0.0:,.0f}"  # zero has no sign for a person
    if size >= 9.995:
        return f"{value:.1f}".removesuffix(".0")
    if size >= _SMALL:
        return f"{value:.2g}"
    return f"less than {_SMALL:.4f}" if value > 0 else f"between -{_SMALL:.4f} and 0"


def money(value: float, currency: str) -> str:
    """Returns an amount to the hundredth, behind its currency."""
    if 0 < value < _HALF_A_CENT:
        return f"less than {currency} 0.01".replace("  ", " ")
    shown = f"{0.0 if abs(value) < _HALF_A_CENT else value:,.2f}" if abs(value) < _LARGE else number(value)
    return f"{currency} {shown}".lstrip()


def percent(value: float, currency: str = "") -> str:
    """Returns a share as a percentage."""
    del currency
    return f"{_from_least(100 * value)} %"


def times(value: float, currency: str = "") -> str:
    """Returns a factor."""
    del currency
    return f"{_from_least(value)} times"


def _from_least(value: float) -> str:
    return f"less than {_LEAST_SHARE}" if 0 < value < _LEAST_SHARE else number(value)


def clock(value: float, currency: str = "") -> str:
    """Returns an hour of the day."""
    del currency
    return f"{int(value)}:00" if 0 <= value < _HOURS_A_DAY else number(value)


def seconds(value: float, currency: str = "") -> str:
    """Returns a time in the unit that suits it."""
    del currency
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if abs(value) >= size:
            return f"{number(value / size)} {unit}"
    return f"{number(value)} s"


def hours(value: float, currency: str = "") -> str:
    """Returns a time that is counted in hours."""
    del currency
    return seconds(3_600 * value)


def days_ago(value: float, currency: str = "") -> str:
    """Returns a time that is counted in days."""
    del currency
    return seconds(86_400 * value)


_PLAIN: dict[str, Format] = {
    "number": number,
    "money": money,
    "percent": percent,
    "times": times,
    "clock": clock,
    "seconds": seconds,
    "hours": hours,
    "days": days_ago,
    "count": number,
}


def format_of(kind: str) -> Format:
    """Returns the format of a name, of `count NOUN`, or of `per SPAN SPAN`. Raises ValueError.

    `count fraud` shows 4 frauds; `per 1h 30d` shows how much of the value of 30 d falls on an hour.
    """
    if kind in _PLAIN:
        return _PLAIN[kind]
    first, _, rest = kind.partition(" ")
    if first == "count" and rest:
        return lambda value, _: f"{number(value)} {rest}{'' if value == 1 else 's'}"
    if first == "per":
        short, _, long = rest.partition(" ")
        share = days(short) / days(long)
        return lambda value, _: number(share * value)
    raise ValueError(f"there is no format {kind!r}")
