"""Currencies and countries: which codes exist, and how an amount in minor units becomes hundredths.

The lists are ISO 4217 and ISO 3166-1 as pycountry ships them.
"""

from __future__ import annotations

import pycountry

# ISO 4217: the currencies whose minor unit is not a hundredth.
_NO_MINOR_UNIT = frozenset("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split())
_THOUSANDTHS = frozenset("BHD IQD JOD KWD LYD OMR TND".split())


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
MINOR_UNIT_SCALE: dict[str, tuple[int, int]] = {code: (100, 1) for code in _NO_MINOR_UNIT} | {
    code: (1, 10) for code in _THOUSANDTHS
}


def to_cents(amount_minor: int, currency_code: str) -> int:
    """Gives an amount in hundredths of the currency's unit, rounded towards zero for thousandths."""
    scale = MINOR_UNIT_SCALE.get(currency_code)
    if scale is None:
        return amount_minor
    multiplier, divisor = scale
    cents = abs(amount_minor) * multiplier // divisor
    return cents if amount_minor >= 0 else -cents
