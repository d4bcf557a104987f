"""Turns a canonical frame into protobuf messages, as fast as Python can build them.

Everything that can be done on a column is done by Polars; what is left per row is one constructor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import polars as pl
from google.protobuf.timestamp_pb2 import Timestamp

from kuntur.api.v1 import outcome_pb2, transaction_pb2
from kuntur.fields.transaction import AMOUNT_MINOR, CHOICES, OPTIONALS, TEXTS
from kuntur.transaction import ATTRIBUTE_PREFIX

_MICROSECONDS = 1_000_000
_BLOCK_ROWS = 16_384
_TEXTS = tuple(field.name for field in TEXTS)
_NUMBERS = (AMOUNT_MINOR.name, *(field.name for field in CHOICES))  # 0 where not given
_OPTIONALS = tuple(field.name for field in OPTIONALS)


def messages_from_frame(frame: pl.DataFrame) -> list[transaction_pb2.Transaction]:
    """Builds one message a row, in the order of the rows.

    `frame` has the canonical columns; of those, empty texts, zeros and nulls are left out of the
    messages, and columns that are missing count as empty. An attribute is in a message where it is
    neither null nor NaN.
    """
    if frame.is_empty():
        return []
    columns: dict[str, Sequence[Any]] = {}
    for name in (*_TEXTS, *_NUMBERS, *_OPTIONALS):
        if name in frame.columns and (values := _values(frame[name])) is not None:
            columns[name] = values
    columns["event_time"] = _timestamps(frame["event_time"])
    if (attributes := _attributes(frame)) is not None:
        columns["attributes"] = attributes
    return _built(transaction_pb2.Transaction, columns)


def messages_in_blocks(frame: pl.DataFrame) -> Iterator[transaction_pb2.Transaction]:
    """Builds the messages of `messages_from_frame` a block of rows at a time, as they are taken.

    A block is large enough that the work of Polars on its columns, some milliseconds however few the
    rows, does not count, and small enough that the messages of a long file are never held at once.
    """
    for block in frame.iter_slices(_BLOCK_ROWS):
        yield from messages_from_frame(block)


def outcomes_in_blocks(frame: pl.DataFrame) -> Iterator[outcome_pb2.Outcome]:
    """Builds the messages of `outcomes_from_frame` a block of rows at a time, as they are taken."""
    for block in frame.iter_slices(_BLOCK_ROWS):
        yield from outcomes_from_frame(block)


def outcomes_from_frame(frame: pl.DataFrame) -> list[outcome_pb2.Outcome]:
    """Builds one outcome a row, in the order of the rows.

    `frame` has transaction_id, institution_id, is_fraud and reported_time, the last two without null.
    """
    if frame.is_empty():
        return []
    labels = pl.when(pl.col("is_fraud")).then(outcome_pb2.OUTCOME_LABEL_FRAUD)
    columns: dict[str, Sequence[Any]] = {
        "transaction_id": frame["transaction_id"].to_list(),
        "institution_id": frame["institution_id"].to_list(),
        "label": frame.select(labels.otherwise(outcome_pb2.OUTCOME_LABEL_LEGITIMATE)).to_series().to_list(),
        "reported_time": _timestamps(frame["reported_time"]),
    }
    return _built(outcome_pb2.Outcome, columns)


def _built(message: Callable[..., Any], columns: dict[str, Sequence[Any]]) -> list[Any]:
    # The constructor leaves out what is None. Columns without any value are not even passed: on
    # 17 fields a row takes 8 to 9 µs, of which each of them is a good third of one.
    names = tuple(columns)
    return [message(**dict(zip(names, row, strict=True))) for row in zip(*columns.values(), strict=True)]


def _values(column: pl.Series) -> list[Any] | None:
    """Returns a column as Python values, None where a row has none; None when no row has any."""
    if column.dtype.is_float():
        column = column.fill_nan(None)
    if column.dtype == pl.String:
        blank = column.fill_null("") == ""
    elif column.name in _NUMBERS:
        blank = column.fill_null(0) == 0
    else:
        blank = column.is_null()
    return None if blank.all() else column.to_list()


def _timestamps(column: pl.Series) -> list[Timestamp]:
    microseconds = column.dt.epoch("us")
    seconds = microseconds // _MICROSECONDS
    nanoseconds = (microseconds - seconds * _MICROSECONDS) * 1000
    return [
        Timestamp(seconds=second, nanos=nanosecond)
        for second, nanosecond in zip(seconds.to_list(), nanoseconds.to_list(), strict=True)
    ]


def _attributes(frame: pl.DataFrame) -> list[dict[str, float] | None] | None:
    """Returns each row's attributes by name; None when the frame has none."""
    found = [name for name in frame.columns if name.startswith(ATTRIBUTE_PREFIX)]
    filled = [name for name in found if frame[name].null_count() < len(frame)]
    if not filled:
        return None
    columns = [frame[name].cast(pl.Float64).fill_nan(None) for name in filled]
    names = [name.removeprefix(ATTRIBUTE_PREFIX) for name in filled]
    lists = [column.to_list() for column in columns]
    if not any(column.null_count() for column in columns):
        return [dict(zip(names, row, strict=True)) for row in zip(*lists, strict=True)]
    return [
        {name: value for name, value in zip(names, row, strict=True) if value is not None}
        for row in zip(*lists, strict=True)
    ]
