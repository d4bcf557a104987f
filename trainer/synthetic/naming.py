"""Ids as text: what the numbers of accounts, merchants and devices are called in the bank's records."""

from __future__ import annotations

import numpy as np
import polars as pl

from kuntur.fields.schema import LABEL_COLUMNS, TRANSACTION_COLUMNS
from trainer.synthetic.config import SyntheticConfig
from trainer.synthetic.places import CATEGORIES
from trainer.synthetic.population import Population
from trainer.synthetic.rows import NONE, Array, Rows

_SPREAD = 48_271  # a primitive root of 2^31 - 1: numbers in a row become ids far apart, none twice
_PRIME = 2_147_483_647


class Names:
    """The names of everyone, made once and then looked up by number."""

    order = (*TRANSACTION_COLUMNS, *LABEL_COLUMNS, "fraud_cause")
    """Columns of a generated frame."""

    def __init__(self, config: SyntheticConfig, population: Population) -> None:
        accounts, merchants = population.accounts, population.merchants
        self._institutions = pl.Series(list(config.institutions))
        self._institution_of = accounts.institution
        numbers = (np.arange(1, len(accounts) + 1) * _SPREAD) % _PRIME
        self._accounts = _text(pl.DataFrame({"bank": accounts.institution + 1, "number": numbers}).select(
            pl.format("{}-{}", _padded("bank", 3), _padded("number", 10))))  # fmt: skip
        merchant_numbers = (np.arange(1, len(merchants) + 1) * _SPREAD) % _PRIME
        self._merchants = _text(
            pl.DataFrame({"country": merchants.country, "number": merchant_numbers}).select(
                pl.format("{}{}", "country", _padded("number", 10))
            )
        )
        self._codes = pl.Series([item.code for item in CATEGORIES])[merchants.category]
        self._countries = pl.Series(merchants.country)
        self._latitudes = pl.Series(merchants.latitude).set(pl.Series(~merchants.placed), None)
        self._longitudes = pl.Series(merchants.longitude).set(pl.Series(~merchants.placed), None)

    def of_causes(self, names: tuple[str, ...], cause: Array) -> pl.Series:
        """Returns the name of each cause."""
        return pl.Series(list(names))[cause]

    def of_rows(self, rows: Rows, number: int) -> dict[str, pl.Series]:
        """Returns the columns of text and places; number: how many rows came before."""
        merchant = pl.Series(np.where(rows.merchant == NONE, 0, rows.merchant))
        nowhere = pl.Series(rows.merchant == NONE)
        return {
            "transaction_id": self._transactions(rows, number),
            "institution_id": self._institutions[self._institution_of[rows.account]],
            "account_id": self._accounts.gather(rows.account),
            "currency_code": pl.Series(["PEN", "USD"])[rows.in_dollars.astype(np.int8)],
            "counterparty_account_id": self._counterparties(rows.counterparty),
            "merchant_id": self._merchants.gather(merchant).set(nowhere, ""),
            "merchant_category_code": self._codes.gather(merchant).set(nowhere, ""),
            "merchant_country_code": self._countries.gather(merchant).set(nowhere, ""),
            "merchant_latitude": self._latitudes.gather(merchant).set(nowhere, None),
            "merchant_longitude": self._longitudes.gather(merchant).set(nowhere, None),
            "device_id": self._devices(rows.device),
            "ip_address": self._addresses(rows.ip),
        }

    def _transactions(self, rows: Rows, number: int) -> pl.Series:
        numbers = pl.DataFrame({"n": np.arange(number, number + len(rows))})
        return _text(numbers.select(pl.format("TX{}", _padded("n", 12))))

    def _counterparties(self, numbers: Array) -> pl.Series:
        inside = (numbers >= 0) & (numbers < len(self._accounts))
        known = self._accounts.gather(np.where(inside, numbers, 0)).set(pl.Series(~inside), "")
        outside = np.flatnonzero(numbers >= len(self._accounts))
        if len(outside):
            ids = (numbers[outside].astype(np.int64) * _SPREAD) % _PRIME
            texts = _text(pl.DataFrame({"n": ids}).select(pl.format("900-{}", _padded("n", 10))))
            known = known.scatter(outside, texts)
        return known

    def _devices(self, numbers: Array) -> pl.Series:
        # An odd factor modulo 2^40 gives each number its own id.
        spread = pl.DataFrame({"n": (numbers * 1_099_087_573) % (1 << 40)})
        texts = _text(spread.select(pl.format("dev-{}", _padded("n", 13))))
        return texts.set(pl.Series(numbers == NONE), "")

    def _addresses(self, numbers: Array) -> pl.Series:
        octets = pl.DataFrame({str(shift): (numbers >> shift) & 255 for shift in (24, 16, 8, 0)})
        return _text(octets.select(pl.format("{}.{}.{}.{}", *octets.columns))).set(
            pl.Series(numbers == 0), ""
        )


def _padded(column: str, digits: int) -> pl.Expr:
    return pl.col(column).cast(pl.String).str.zfill(digits)


def _text(frame: pl.DataFrame) -> pl.Series:
    return frame.to_series()
