"""Currencies and countries: which codes exist, and how an amount in minor units becomes hundredths.

The lists are ISO 4217 and ISO 3166-1 as pycountry ships them.
"""

from __future__ import annotations

import pycountry

# ISO 4217: the currencies whose minor unit is not a hundredth.
_NO_MINOR_UNIT = (
    *("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG"),
    *("RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"),
)
_THOUSANDTHS = ("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND")


def _pack(code: str) -> int:
    packed = 0
    for letter in code:
        packed = packed * 256 + ord(letter)
    return packed


CURRENCY_NUMBER: dict[str, int] = {c.alpha_3: _pack(c.alpha_3) for c in pycountry.currencies}
COUNTRY_NUMBER: dict[str, int] = {"": 0} | {c.alpha_2: _pack(c.alpha_2) for c in pycountry.countries}

HOME_COUNTRY_NUMBER = COUNTRY_NUMBER["PE"]
HOME_CURRENCY_NUMBER = CURRENCY_NUMBER["PEN"]

# (multiplier, divisor) that turns minor units into hundredths of the unit, for the exceptions.
MINOR_UNIT_SCALE: dict[str, tuple[int, int]] = {
    **dict.fromkeys(_NO_MINOR_UNIT, (100, 1)),
    **dict.fromkeys(_THOUSANDTHS, (1, 10)),
}


def to_cents(amount_minor: int, currency_code: str) -> int:
    """Gives an amount in hundredths of the currency's unit, rounded towards zero for thousandths."""
    scale = MINOR_UNIT_SCALE.get(currency_code)
    if scale is None:
        return amount_minor
    multiplier, divisor = scale
    cents = abs(amount_minor) * multiplier // divisor
    return cents if amount_minor >= 0 else -cents
