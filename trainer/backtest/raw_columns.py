"""The columns of a table as they stand, for the baseline without features: numbers, and texts as codes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from kuntur.fields.schema import FRAUD_KIND, LABEL_COLUMNS, SOURCE_ROW

_NO_INPUT = {"transaction_id", "event_time", SOURCE_ROW, FRAUD_KIND, *LABEL_COLUMNS}


def raw_columns(frame: pl.DataFrame, zone: str) -> npt.NDArray[np.float32]:
    """Returns every column that varies, with hour and weekday of the local time, float32 [n, columns].

    A text, so also an id other than the transaction's own, counts as its place in the order of all texts of
    its column, NaN where it is empty.
    """
    local = pl.col("event_time").dt.convert_time_zone(zone)
    columns = [local.dt.hour().alias("hour"), local.dt.weekday().alias("weekday")]
    for name, dtype in frame.schema.items():
        if name in _NO_INPUT:
            continue
        column = pl.col(name)
        if dtype == pl.String:
            column = pl.when(column != "").then(column).rank("dense")
        columns.append(column.alias(name))
    found = frame.select(column.cast(pl.Float32) for column in columns)
    kept = [series for series in found if series.n_unique() > 1]
    if not kept:
        return np.zeros((frame.height, 0), dtype=np.float32)
    return np.column_stack([series.fill_null(float("nan")).to_numpy() for series in kept])
