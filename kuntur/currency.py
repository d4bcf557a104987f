"""Currencies and countries: which codes exist, and how an amount in minor units becomes hundredths.

The lists are in `codes.toml`: codes in force, and codes withdrawn since 1990, which stay in history and are
accepted whatever the event time, since late postings carry them too. User-assigned codes of countries are
accepted where the settings name them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from importlib.resources import files

_CODES = tomllib.loads(files("kuntur").joinpath("codes.toml").read_text(encoding="utf-8"))

# ISO 4217: the currencies whose minor unit is not a hundredth; in the last two lines withdrawn ones.
_NO_MINOR_UNIT = (
    *("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG"),
    *("RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"),
    *("ADP", "BEF", "BYB", "BYR", "ESP", "GRD"),
    *("ITL", "LUF", "MGF", "PTE", "TPE", "TRL"),
)
_THOUSANDTHS = ("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND")


def _pack(code: str) -> int:
    packed = 0
    for letter in code:
        packed = packed * 256 + ord(letter)
    return packed


CURRENCY_NUMBER: dict[str, int] = {
    code: _pack(code) for code in (*_CODES["currencies"].split(), *_CODES["withdrawn_currencies"])
}
COUNTRY_NUMBER: dict[str, int] = {"": 0} | {
    code: _pack(code)
    for code in (
        *_CODES["countries"].split(),
        *_CODES["user_assigned_countries"].split(),
        *_CODES["withdrawn_countries"],
    )
}

ASSIGNABLE_COUNTRY_NUMBER: dict[str, int] = {
    code: _pack(code) for code in _CODES["assignable_countries"].split()
}
"""User-assigned codes of ISO 3166-1, valid where `institution.country_codes` or a mapping names them. Their
numbers are the same everywhere."""

HOME_COUNTRY_NUMBER = COUNTRY_NUMBER["PE"]
HOME_CURRENCY_NUMBER = CURRENCY_NUMBER["PEN"]

# (multiplier, divisor) that turns minor units into hundredths of the unit, for the exceptions.
MINOR_UNIT_SCALE: dict[str, tuple[int, int]] = {
    **dict.fromkeys(_NO_MINOR_UNIT, (100, 1)),
    **dict.fromkeys(_THOUSANDTHS, (1, 10)),
}


def country_numbers(user_assigned: Iterable[str]) -> Mapping[str, int]:
    """Returns the number of every valid country code, the given user-assigned ones included."""
    return COUNTRY_NUMBER | {code: ASSIGNABLE_COUNTRY_NUMBER[code] for code in user_assigned}


def checked_user_assigned(codes: tuple[str, ...]) -> tuple[str, ...]:
    """Returns user-assigned country codes, each once. Raises ValueError for any other code."""
    for code in codes:
        if code in COUNTRY_NUMBER:
            raise ValueError(f"{code!r} is valid anyway: name only user-assigned codes")
        if code not in ASSIGNABLE_COUNTRY_NUMBER:
            raise ValueError(
                f"{code!r} is not user-assigned in ISO 3166-1: AA, QM to QZ, XA to XZ and ZZ are, in capitals"
            )
    return tuple(dict.fromkeys(codes))


def to_cents(amount_minor: int, currency_code: str) -> int:
    """Returns an amount in hundredths of the currency's unit, rounded towards zero for thousandths."""
    scale = MINOR_UNIT_SCALE.get(currency_code)
    if scale is None:
        return amount_minor
    multiplier, divisor = scale
    cents = abs(amount_minor) * multiplier // divisor
    return cents if amount_minor >= 0 else -cents
