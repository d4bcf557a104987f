"""From the canonical table to the columns that the engine computes on, the same as `kuntur.wire` makes.

Ids pass from Polars to the hash as one buffer a column, never as Python strings.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from kuntur.currency import ASSIGNABLE_COUNTRY_NUMBER, COUNTRY_NUMBER, CURRENCY_NUMBER, MINOR_UNIT_SCALE
from kuntur.fields.schema import ENUMS, attribute_columns
from kuntur.fields.transaction import KEYS
from kuntur.identity import SCOPED, Institutions, hash_ids
from kuntur.transaction import (
    ATTRIBUTE_PREFIX,
    UNSET_INT,
    FloatColumn,
    IntColumn,
    KeyColumn,
    OutcomeBatch,
    TransactionBatch,
)


def to_batch(frame: pl.DataFrame, secret: npt.NDArray[np.uint64]) -> TransactionBatch:
    """Returns the rows of a canonical table as a batch, in their order, each to be counted.

    secret: uint64 [2], from `kuntur.hash_key.secret_from_hex`. Attributes are named without prefix.
    The rows keep the rules of `kuntur.validation.columns`: an unknown currency or country raises
    InvalidOperationError.
    """
    ints = frame.select(_int_columns()).to_numpy(order="c")
    floats = frame.select(
        pl.col("merchant_latitude").fill_null(float("nan")).alias(FloatColumn.LATITUDE.name),
        pl.col("merchant_longitude").fill_null(float("nan")).alias(FloatColumn.LONGITUDE.name),
    ).to_numpy(order="c")
    attributes = {
        name.removeprefix(ATTRIBUTE_PREFIX): frame[name].fill_null(float("nan")).to_numpy(writable=True)
        for name in attribute_columns(frame)
    }
    return TransactionBatch(to_keys(frame, secret), ints, floats, attributes)


def to_keys(frame: pl.DataFrame, secret: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Returns the hashed ids of a canonical table: uint64 [n, len(KeyColumn)], 0 where an id is empty."""
    shape = (frame.height, len(KeyColumn))
    starts, lengths = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    buffers, offset = [], 0
    for column, field in KEYS.items():
        ids = frame[field.name]
        sizes = ids.str.len_bytes().to_numpy().astype(np.int64)
        data = np.frombuffer(ids.str.join("").item().encode(), dtype=np.uint8)
        lengths[:, column] = sizes
        starts[:, column] = offset + np.cumsum(sizes) - sizes
        buffers.append(data)
        offset += len(data)
    keys = np.zeros(shape, dtype=np.uint64)
    hash_ids(np.concatenate(buffers), starts, lengths, _scopes(frame, secret), SCOPED, secret, keys)
    return keys


def to_outcomes(
    frame: pl.DataFrame, keys: npt.NDArray[np.uint64]
) -> tuple[OutcomeBatch, npt.NDArray[np.intp]]:
    """Returns what became known of the labelled rows, in the order in which it became known.

    keys: uint64 [n, len(KeyColumn)], those of the frame's rows. Returns the outcomes, and for each
    the number of its row in the frame (intp [m], m <= n). Outcomes of one moment keep the frame's order.
    """
    labelled = np.flatnonzero(frame["is_fraud"].is_not_null().to_numpy())
    times = frame["reported_time"].dt.timestamp("us").fill_null(0).to_numpy()[labelled]
    order = np.argsort(times, kind="stable")
    rows = labelled[order]
    is_fraud = frame["is_fraud"].fill_null(value=False).to_numpy()[rows]
    return OutcomeBatch(np.ascontiguousarray(keys[rows]), times[order], is_fraud), rows


def _scopes(frame: pl.DataFrame, secret: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    names = frame["institution_id"].unique(maintain_order=True)
    institutions = Institutions(secret)
    scopes = np.array([institutions.scope(name) for name in names], dtype=np.uint64)
    codes = frame["institution_id"].replace_strict(
        names, pl.int_range(len(names), dtype=pl.Int64, eager=True), return_dtype=pl.Int64
    )
    return scopes[codes.to_numpy()] if frame.height else np.zeros(0, dtype=np.uint64)


def _int_columns() -> list[pl.Expr]:
    """Returns the columns of `TransactionBatch.ints` in the order of IntColumn, each Int64."""
    columns = {
        IntColumn.EVENT_TIME_US: pl.col("event_time").dt.timestamp("us"),
        IntColumn.AMOUNT_CENTS: _cents("amount_minor"),
        IntColumn.BALANCE_CENTS: _cents("account_balance_minor").fill_null(UNSET_INT),
        IntColumn.ACCOUNT_AGE_DAYS: pl.col("account_age_days").cast(pl.Int64).fill_null(UNSET_INT),
        IntColumn.COUNTRY: pl.col("merchant_country_code").replace_strict(
            COUNTRY_NUMBER | ASSIGNABLE_COUNTRY_NUMBER, return_dtype=pl.Int64
        ),
        IntColumn.CURRENCY: pl.col("currency_code").replace_strict(CURRENCY_NUMBER, return_dtype=pl.Int64),
        IntColumn.COUNTED: pl.lit(1, dtype=pl.Int64),
        IntColumn.CONTENT: pl.lit(0, dtype=pl.Int64),
    }
    columns |= {IntColumn[name.upper()]: pl.col(name).cast(pl.Int64) for name in ENUMS}
    # The height of a selection of literals alone would be 1: it is that of the other columns.
    return [columns[column].alias(column.name) for column in IntColumn]


def _cents(name: str) -> pl.Expr:
    """Returns minor units as hundredths of the currency's unit, as `kuntur.currency.to_cents` does."""
    value, currency = pl.col(name), pl.col("currency_code")
    size = value.abs()
    cents = value
    for scale in sorted(set(MINOR_UNIT_SCALE.values())):
        multiplier, divisor = scale
        codes = [code for code, other in MINOR_UNIT_SCALE.items() if other == scale]
        scaled = size * multiplier // divisor
        towards_zero = pl.when(value < 0).then(-scaled).otherwise(scaled)
        cents = pl.when(currency.is_in(codes)).then(towards_zero).otherwise(cents)
    return cents
