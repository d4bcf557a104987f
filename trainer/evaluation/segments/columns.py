"""From a canonical table to its segments: a few names each, the largest, and the rest under one name.

Bounds of amounts are round numbers near quantiles, so that the bands fit any currency. What a table does not
tell makes no segment.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from kuntur.currency import to_cents
from kuntur.transaction import AccountType, Channel, TransactionType
from trainer.evaluation.segments.segment import NONE, OTHER, Segment

# By which the gate compares models, and by which fairness is judged: what is known of the customer.
JUDGED = ("channel", "type", "institution", "amount", "merchant category", "account age")
OF_CUSTOMERS = ("account type", "account age", "institution")

OF_FRAUDS = "kind of fraud"  # known of frauds alone: to look at what was missed, and for nothing else

_MOST_INSTITUTIONS, _MOST_CATEGORIES, _MOST_COUNTRIES, _MOST_KINDS = 30, 15, 10, 15
_AMOUNT_SHARES = (0.2, 0.5, 0.8, 0.95, 0.99)  # of the rows, near which a band of amounts ends
_AGES = (30, 90, 365, 1095)  # days
_AGE_NAMES = (
    "below 30 days", "30 to 89 days", "90 days to 1 year", "1 to 3 years", "3 years and more",
)  # fmt: skip
NOT_KNOWN, OTHER_CURRENCY = "(not known)", "(another currency)"
_UNSPECIFIED = 0


def segment_columns(frame: pl.DataFrame) -> dict[str, Segment]:
    """Returns the segments of a canonical table by name, those of what no row tells left out.

    channel, type, institution are always there. Numbers of names are int8: none has more than a few dozen.
    """
    found: dict[str, Segment] = {
        "channel": _of_numbers(frame["channel"].to_numpy(), {kind.value: kind.name for kind in Channel}),
        "type": _of_numbers(frame["type"].to_numpy(), {kind.value: kind.name for kind in TransactionType}),
        "institution": _of_text(frame["institution_id"], _MOST_INSTITUTIONS),
    }
    if {"amount_minor", "currency_code"} <= set(frame.columns) and len(frame):
        found["amount"] = _of_amounts(frame)
    for name, column, most in (
        ("merchant category", "merchant_category_code", _MOST_CATEGORIES),
        ("merchant country", "merchant_country_code", _MOST_COUNTRIES),
        (OF_FRAUDS, "fraud_kind", _MOST_KINDS),
    ):
        if column in frame.columns and (frame[column] != "").any():
            found[name] = _of_text(frame[column], most)
    if "account_age_days" in frame.columns and frame["account_age_days"].is_not_null().any():
        found["account age"] = _of_ages(frame["account_age_days"])
    if "account_type" in frame.columns and (frame["account_type"] != _UNSPECIFIED).any():
        names = {kind.value: kind.name for kind in AccountType}
        found["account type"] = _of_numbers(frame["account_type"].to_numpy(), names)
    return found


def amount_edges(amounts: npt.NDArray[np.float64]) -> list[float]:
    """Returns where bands of amounts end, ascending: numbers of 1, 2 or 5 before zeros, near quantiles.

    amounts: float64 [n], of one currency.
    """
    if not len(amounts):
        return []
    marks = np.quantile(amounts, _AMOUNT_SHARES, method="inverted_cdf")
    edges = sorted({_round(float(mark)) for mark in marks if mark > 0})
    return [edge for edge in edges if (amounts < edge).any() and (amounts >= edge).any()]


def _round(value: float) -> float:
    """Returns the number of 1, 2 or 5 before zeros that is nearest by ratio."""
    size = 10.0 ** math.floor(math.log10(value))
    return float(min((size * step for step in (1, 2, 5, 10)), key=lambda step: abs(math.log(value / step))))


def _of_amounts(frame: pl.DataFrame) -> Segment:
    counts = frame["currency_code"].value_counts(name="rows")
    currency = str(counts.sort(["rows", "currency_code"], descending=[True, False])["currency_code"][0])
    mine = (frame["currency_code"] == currency).to_numpy()
    amounts = frame["amount_minor"].to_numpy() * (to_cents(1000, currency) / 100_000)
    edges = amount_edges(amounts[mine])
    names = [f"{low:,g} to {high:,g} {currency}" for low, high in pairwise(edges)]
    names = (
        [f"below {edges[0]:,g} {currency}", *names, f"{edges[-1]:,g} {currency} and more"]
        if edges
        else [f"all {currency}"]
    )
    code = np.where(mine, np.searchsorted(edges, amounts, side="right"), len(names))
    return _occurring(code, (*names, OTHER_CURRENCY))


def _of_ages(days: pl.Series) -> Segment:
    known = days.is_not_null().to_numpy()
    code = np.searchsorted(_AGES, days.fill_null(0).to_numpy(), side="right")
    return _occurring(np.where(known, code, len(_AGE_NAMES)), (*_AGE_NAMES, NOT_KNOWN))


def _of_numbers(values: npt.NDArray[Any], names: Mapping[int, str]) -> Segment:
    found, code = np.unique(values, return_inverse=True)
    return Segment(code.astype(np.int8), tuple(names[int(value)] for value in found))


def _of_text(values: pl.Series, most: int) -> Segment:
    """Returns the names with most rows, by name, and behind them the rest; of equals the first by name."""
    if not len(values):
        return Segment(np.zeros(0, dtype=np.int8), ())
    counts = values.rename("name").value_counts(name="rows").sort(["rows", "name"], descending=[True, False])
    names = sorted(counts["name"].head(most))
    places = pl.Series(range(len(names)), dtype=pl.Int8)
    code = values.replace_strict(names, places, default=len(names), return_dtype=pl.Int8)
    told = [name or NONE for name in names]
    return Segment(code.to_numpy(), tuple([*told, OTHER] if len(counts) > most else told))


def _occurring(code: npt.NDArray[np.integer], names: Sequence[str]) -> Segment:
    """Returns the segment with the names that some row has, in their order."""
    found, places = np.unique(code, return_inverse=True)
    return Segment(places.astype(np.int8), tuple(names[int(place)] for place in found))
