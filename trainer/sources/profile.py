"""The quality profile of one column: what is missing, how values are spread, what lies far out.

A profile goes to people who may not see a customer: ids are counted and never listed, extremes of what
is personal are quantiles, and groups of fewer than `FEWEST` rows are folded into others. Which rows were
refused and the profile of the whole table are left to `quality`.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from kuntur.fields.schema import ENUMS

FEWEST = 10
_QUANTILES = (0.01, 0.25, 0.5, 0.75, 0.99)
_BINS = 24
_TOP = 10
_LISTED_DISTINCT = 1_000  # above it a text is more of a name than of a category
_WHISKER = 1.5  # interquartile ranges (Tukey, Exploratory Data Analysis, 1977)
_DIGITS, _DIGITS_UNKNOWN = 6, 3  # significant ones: too few for a number of a person that is not known as one
_SKEWED = 3.0  # above this the upper half is so much wider than the lower one that a logarithm tells more


class ColumnClass(StrEnum):
    """How close a column of the data comes to a person (Ley 29733); features have classes of their own."""

    NONE = "none"
    IDENTIFIER = "identifier"
    FINANCIAL = "financial"
    BEHAVIOURAL = "behavioural"
    LOCATION = "location"
    UNKNOWN = "unknown"


def profile(name: str, values: pl.Series, personal_data: ColumnClass) -> dict[str, Any]:
    """Returns the profile of a column as plain values.

    Always: type, personal_data, missing (share of the rows, empty texts included), distinct. Then by what
    the column is: quantiles, outliers, histogram (counts between edges), top values, rows per value.
    """
    known = values.drop_nulls()
    found: dict[str, Any] = {"type": str(values.dtype), "personal_data": personal_data.value}
    if values.dtype == pl.String:
        known = known.filter(known != "")
    elif values.dtype.is_float():
        known = known.filter(known.is_finite())
    found["missing"] = round(1 - len(known) / len(values), 6) if len(values) else 0.0
    if not len(known):
        return found | {"distinct": 0}
    if name in ENUMS:
        names = {int(member): member.name for member in ENUMS[name]}
        counts = known.alias("value").value_counts(name="rows")
        labels = [names.get(value, str(value)) for value in counts["value"]]
        return found | {"distinct": len(counts), **_top(labels, counts["rows"].to_list())}
    if known.dtype in (pl.String, pl.Boolean):
        return found | _category(known, personal_data)
    if known.dtype.is_temporal():
        return found | _moments(known)
    return found | _quantity(known, _DIGITS_UNKNOWN if personal_data is ColumnClass.UNKNOWN else _DIGITS)


def _category(known: pl.Series, personal_data: ColumnClass) -> dict[str, Any]:
    counts = known.alias("value").value_counts(name="rows")
    rows = counts["rows"]
    found: dict[str, Any] = {"distinct": len(counts)}
    if personal_data is not ColumnClass.IDENTIFIER and len(counts) <= _LISTED_DISTINCT:
        return found | _top([str(value) for value in counts["value"]], rows.to_list())
    middle, high = (rows.quantile(q, "lower") for q in (0.5, 0.99))
    return found | {"rows_per_value": {"median": int(middle or 0), "0.99": int(high or 0)}}


def _top(labels: list[str], rows: list[int]) -> dict[str, Any]:
    ordered = sorted(zip(rows, labels, strict=True), key=lambda pair: (-pair[0], pair[1]))
    shown = [(count, label) for count, label in ordered[:_TOP] if count >= FEWEST]
    rest = sum(rows) - sum(count for count, _ in shown)
    top = [{"value": label, "rows": count} for count, label in shown]
    return {"top": top, "others": {"values": len(rows) - len(shown), "rows": rest}}


def _moments(known: pl.Series) -> dict[str, Any]:
    days = known.dt.date()
    time = known.dt.timestamp("us").to_numpy()
    first = time.min()
    counts, edges = np.histogram(time - first, bins=_BINS)  # bins of a microsecond need the small numbers
    starts = [str(np.datetime64(int(first + edge), "us"))[:10] for edge in edges]
    return {
        "distinct": known.n_unique(),
        "distinct_days": days.n_unique(),
        "first_day": str(days.min()),
        "last_day": str(days.max()),
        "histogram": {"scale": "time", "edges": starts, "rows": _hidden(counts)},
    }


def _quantity(known: pl.Series, digits: int) -> dict[str, Any]:
    found: dict[str, Any] = {"distinct": known.n_unique()}
    values = np.sort(known.to_numpy().astype(np.float64))
    quantiles = {str(q): _at(values, q) for q in _QUANTILES}
    found["quantiles"] = {q: _rounded(value, digits) for q, value in quantiles.items()}
    low, middle, high = (quantiles[q] for q in ("0.25", "0.5", "0.75"))
    skewed = values[0] >= 0 and quantiles["0.99"] - middle > _SKEWED * 2 * (middle - quantiles["0.01"])
    if high > low:
        found["outliers"] = _outliers(values, low, high, digits, logarithmic=skewed)
    found["histogram"] = _histogram(values, digits, logarithmic=skewed)
    return found


def _rounded(value: float, digits: int) -> float:
    return float(f"{value:.{digits}g}")


def _at(ordered: npt.NDArray[np.float64], q: float) -> float:
    return float(ordered[round(q * (len(ordered) - 1))])


def _outliers(
    ordered: npt.NDArray[np.float64], low: float, high: float, digits: int, *, logarithmic: bool
) -> dict[str, Any]:
    if logarithmic:
        low, high = math.log1p(low), math.log1p(high)
    below, above = low - _WHISKER * (high - low), high + _WHISKER * (high - low)
    rule = f"beyond {_WHISKER:g} interquartile ranges from the quartiles"
    if logarithmic:
        below, above, rule = math.expm1(below), math.expm1(above), rule + " of log(1 + value)"
    under = int(np.searchsorted(ordered, below, side="left"))
    over = len(ordered) - int(np.searchsorted(ordered, above, side="right"))
    return {
        "rule": rule,
        "below": _rounded(below, digits),
        "above": _rounded(above, digits),
        "share_below": round(under / len(ordered), 6),
        "share_above": round(over / len(ordered), 6),
    }


def _histogram(ordered: npt.NDArray[np.float64], digits: int, *, logarithmic: bool) -> dict[str, Any]:
    # From the first to the last percentile: one far value must not squeeze the others into one bar, and an
    # extreme of money or place may belong to one person.
    low, high = _at(ordered, _QUANTILES[0]), _at(ordered, _QUANTILES[-1])
    if high <= low:
        low, high = low - 0.5, high + 0.5
    if logarithmic:
        edges = np.expm1(np.linspace(math.log1p(low), math.log1p(high), _BINS + 1))
    else:
        edges = np.linspace(low, high, _BINS + 1)
    edges[0], edges[-1] = low, high
    places = np.searchsorted(ordered, edges, side="left")
    places[-1] = np.searchsorted(ordered, high, side="right")
    rows = np.diff(places)
    return {
        "scale": "logarithmic" if logarithmic else "linear",
        "edges": [_rounded(edge, digits) for edge in edges],
        "rows": _hidden(rows),
        "rows_below": int(places[0]),
        "rows_above": int(len(ordered) - places[-1]),
    }


def _hidden(counts: npt.NDArray[np.intp]) -> list[int]:
    """Returns counts with those of a few rows as 0, so that no bar stands for one person."""
    return [int(count) if count >= FEWEST else 0 for count in counts]
