"""Expressions that bring one column of times to moments, whatever type it has and however it is written.

As in `parse`, null stands for "not given" and for "cannot be read" alike.
"""

from __future__ import annotations

import re

import polars as pl

from kuntur.fields.schema import TIME
from kuntur.fields.transaction import EVENT_TIME
from kuntur.tables.formats import TimeFormat
from kuntur.tables.reading.parse import decimal

_ISO_FORMATS = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M")
_OFFSET = r"(?:[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)$"
_PER_SECOND = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}
_LAST_SECOND = EVENT_TIME.latest_s
_FURTHEST_SECOND = 8_000_000_000_000
_DIRECTIVE = re.compile(r"%[-_0]?(.)")
_GIVES_HOUR = frozenset("HkIlTRXrcs+")


def time(column: pl.Expr, dtype: pl.DataType, written: TimeFormat, *, day_ends: bool = False) -> pl.Expr:
    """Returns moments as Datetime("us", "UTC").

    day_ends: whether a date without a time of day is the end of that local day, not its start.
    """
    if isinstance(dtype, pl.Datetime):
        moment = within_reach(column, dtype).dt.cast_time_unit("us")
        return moment.dt.convert_time_zone("UTC") if dtype.time_zone else _in_zone(moment, written.zone)
    if dtype == pl.Date:
        return _of_day(column, written.zone, ends=day_ends)
    if written.format in _PER_SECOND:
        return _epoch(column, dtype, _PER_SECOND[written.format])
    value = column.cast(pl.String, strict=False).str.strip_chars()
    if written.format == "iso":
        return _from_iso(value, written.zone, day_ends=day_ends)
    if "%z" in written.format:
        return value.str.to_datetime(written.format, time_unit="us", time_zone="UTC", strict=False)
    if _GIVES_HOUR.isdisjoint(_DIRECTIVE.findall(written.format)):
        return _of_day(value.str.to_date(written.format, strict=False), written.zone, ends=day_ends)
    return _in_zone(value.str.to_datetime(written.format, time_unit="us", strict=False), written.zone)


def within_reach(column: pl.Expr, dtype: pl.Datetime) -> pl.Expr:
    """Returns times with null for those a quarter of a million years from 1970, at which Polars stops."""
    furthest = _FURTHEST_SECOND * {"ns": 1_000_000_000, "us": 1_000_000, "ms": 1_000}[dtype.time_unit]
    ticks = min(furthest, 2**63 - 1)
    return pl.when(column.to_physical().is_between(-ticks, ticks)).then(column)


def _epoch(column: pl.Expr, dtype: pl.DataType, factor: int) -> pl.Expr:
    if dtype.is_integer():
        count = column.cast(pl.Int64, strict=False)
    else:  # fractions of a second: a float holds microseconds of our times exactly enough to round
        exact = column.cast(pl.String, strict=False).str.strip_chars().cast(pl.Int64, strict=False)
        fraction = (decimal(column, dtype) * factor).round(0)
        fraction = pl.when(fraction.abs() < _LAST_SECOND * 1e6).then(fraction).cast(pl.Int64, strict=False)
        in_range = exact.abs() <= _LAST_SECOND * 1_000_000 // factor
        return pl.when(exact.is_null()).then(fraction).when(in_range).then(exact * factor).cast(TIME)
    # Beyond the year 9999 nothing downstream can hold the time: such a number is not a time.
    return pl.when(count.abs() <= _LAST_SECOND * 1_000_000 // factor).then(count * factor).cast(TIME)


def _from_iso(value: pl.Expr, zone: str, *, day_ends: bool) -> pl.Expr:
    # Only behind a time of day: a bare date such as 2024-05-01 ends in what looks like an offset.
    offset: pl.Expr = pl.when(value.str.contains("[T ]")).then(value.str.extract(f"({_OFFSET})"))
    offset = offset.str.to_uppercase().str.replace(":", "", literal=True)
    bare: pl.Expr = pl.when(offset.is_null()).then(value).otherwise(value.str.replace(_OFFSET, ""))
    bare = bare.str.replace(" ", "T", literal=True)
    local = pl.coalesce(
        bare.str.to_datetime(form, time_unit="us", strict=False, exact=True) for form in _ISO_FORMATS
    )
    hours, minutes = (offset.str.slice(at, 2).cast(pl.Int64, strict=False).fill_null(0) for at in (1, 3))
    sign = pl.when(offset.str.starts_with("-")).then(-1).otherwise(1)
    ahead = pl.duration(minutes=sign * (hours * 60 + minutes))
    absolute = (local - ahead).dt.replace_time_zone("UTC")
    day = _of_day(value.str.to_date("%Y-%m-%d", strict=False, exact=True), zone, ends=day_ends)
    return pl.when(offset.is_null()).then(pl.coalesce(_in_zone(local, zone), day)).otherwise(absolute)


def _of_day(date: pl.Expr, zone: str, *, ends: bool) -> pl.Expr:
    midnight = (date.dt.offset_by("1d") if ends else date).cast(pl.Datetime("us"))
    # Some zones move the clock at midnight and skip it: the day then begins where the evening before
    # ends, and no zone moves its clock twice within hours.
    evening = _in_zone(midnight - pl.duration(hours=3), zone) + pl.duration(hours=3)
    return pl.coalesce(_in_zone(midnight, zone), evening)


def _in_zone(local: pl.Expr, zone: str) -> pl.Expr:
    placed = local.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return placed.dt.convert_time_zone("UTC")
