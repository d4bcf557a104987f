"""The quality profile of a table: what is missing, how values are spread, which rows were refused."""

from __future__ import annotations

import json
from typing import Any

import polars as pl

from kuntur.tables import Table

_QUANTILES = (0.01, 0.25, 0.5, 0.75, 0.99)


def _column(values: pl.Series) -> dict[str, Any]:
    profile: dict[str, Any] = {"type": str(values.dtype), "missing": _missing(values)}
    if values.dtype.is_numeric():
        profile["minimum"], profile["maximum"] = values.min(), values.max()
        profile["quantiles"] = {str(q): values.quantile(q) for q in _QUANTILES}
    elif values.dtype.is_temporal():
        profile["minimum"], profile["maximum"] = str(values.min()), str(values.max())
    else:
        profile["distinct"] = values.approx_n_unique() if values.dtype == pl.String else values.n_unique()
    return profile


def _missing(values: pl.Series) -> float:
    if not len(values):
        return 0.0
    empty = (values == "").sum() if values.dtype == pl.String else 0
    return round((values.null_count() + int(empty or 0)) / len(values), 6)


def quality_document(table: Table) -> bytes:
    """Gives the profile as JSON. Shares are of all rows; distinct counts of ids are estimates."""
    document = {
        "rows": len(table),
        "rejected": {
            "rows_read": table.rejects.rows_read,
            "rows_rejected": table.rejects.rows_rejected,
            "findings": [str(finding) for finding in table.rejects.findings],
        },
        "columns": {name: _column(table.frame[name]) for name in table.frame.columns},
    }
    return (json.dumps(document, indent=1, default=str) + "\n").encode()
