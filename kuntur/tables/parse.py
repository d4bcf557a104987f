"""Expressions that bring one column of a file to one canonical column, whatever type it has there.

Each parser gives null for "not given" and for "cannot be read" alike; `unread` tells the two apart.
"""

from __future__ import annotations

import polars as pl

from kuntur.currency import MINOR_UNIT_SCALE
from kuntur.tables.mapping import TimeFormat
from kuntur.tables.schema import ENUMS, TIME

_MONEY = r"^([+-]?)([0-9]{1,16})(?:\.([0-9]*))?$"
_ISO_FORMATS = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d")
_OFFSET = r"(?:[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)$"
_PER_SECOND = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}
_LAST_SECOND = 253_402_300_799


def text(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Gives the column as text, null where it is null; a float that is whole loses its `.0`.

    Ids that a program read as numbers beside missing values arrive as floats: 596.0 is account 596.
    """
    if dtype == pl.String:
        return column
    if dtype.is_float():
        # Above 2^53 a float no longer tells neighbouring ids apart, so it stays visibly a float.
        whole = (column == column.round(0)) & (column.abs() < 2**53)
        return (
            pl.when(whole)
            .then(column.cast(pl.Int64, strict=False).cast(pl.String))
            .otherwise(column.cast(pl.String))
        )
    return column.cast(pl.String, strict=False)


def given(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Says where the column holds a value: neither null nor blank text."""
    if dtype == pl.String:
        return (column.str.strip_chars() != "").fill_null(value=False)
    return column.is_not_null()


def unread(parsed: pl.Expr, column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Says where a value is given but could not be read."""
    return parsed.is_null() & given(column, dtype)


def category_code(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Gives a merchant category code; one kept as a number gets its leading zeros back."""
    code = text(column, dtype)
    return code if dtype == pl.String else code.str.zfill(4)


def integer(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Gives whole numbers as Int64; a fraction cannot be read."""
    if dtype.is_integer():
        return column.cast(pl.Int64, strict=False)
    if dtype.is_float():
        return pl.when(column == column.round(0)).then(column.cast(pl.Int64, strict=False))
    return column.cast(pl.String, strict=False).str.strip_chars().cast(pl.Int64, strict=False)


def decimal(column: pl.Expr, dtype: pl.DataType, *, decimal_comma: bool = False) -> pl.Expr:
    """Gives numbers as Float64."""
    if dtype == pl.String:
        plain = column.str.strip_chars()
        return (plain.str.replace(",", ".", literal=True) if decimal_comma else plain).cast(
            pl.Float64, strict=False
        )
    return column.cast(pl.Float64, strict=False)


def minor_units(
    column: pl.Expr, dtype: pl.DataType, currency: pl.Expr, *, decimal_comma: bool = False
) -> pl.Expr:
    """Gives decimal major units as Int64 minor units of the row's currency, halves rounded to even.

    Works on the decimal digits, never on a float product: 57.16 * 100 is 5715.999… in floats. At
    most 16 digits before the point are read, more than any amount or balance may have.
    """
    if dtype.is_float():
        # Polars writes exponents for what lies outside every range anyway: tiny counts as zero.
        tiny = pl.when(column.abs() < 1e-4).then(pl.lit("0")).otherwise(column.cast(pl.String))
        digits: pl.Expr = pl.when(column.is_not_null()).then(tiny)
    else:
        digits = column.cast(pl.String, strict=False).str.strip_chars()
    if decimal_comma and dtype == pl.String:
        digits = digits.str.replace(",", ".", literal=True)
    # In steps on the values, each made once: as one expression its shared parts, which use one another,
    # are worked out again for every use (measured: 4 s instead of 0.6 s for 1.5 million rows).
    both = pl.struct(digits.alias("digits"), currency.alias("currency"))
    return both.map_batches(_rounded_minor_units, return_dtype=pl.Int64)


def _rounded_minor_units(both: pl.Series) -> pl.Series:
    units: pl.Expr = pl.lit(10**7, dtype=pl.Int64)  # billionths in a hundredth, as most currencies have
    for scale, unit in (((100, 1), 10**9), ((1, 10), 10**6)):
        codes = [code for code, other in MINOR_UNIT_SCALE.items() if other == scale]
        exception = pl.lit(unit, dtype=pl.Int64)
        units = pl.when(pl.col("currency").is_in(codes)).then(exception).otherwise(units)
    parts = both.struct.unnest().select(pl.col("digits").str.extract_groups(_MONEY), unit=units)
    fraction, whole = pl.col("3").fill_null(""), pl.col("2").cast(pl.Int64)
    sizes = (
        parts.unnest("digits")
        .with_columns(
            billionths=fraction.str.pad_end(9, "0").str.slice(0, 9).cast(pl.Int64),
            beyond=fraction.str.slice(9).str.contains("[1-9]"),
        )
        .with_columns(
            size=whole * (10**9 // pl.col("unit")) + pl.col("billionths") // pl.col("unit"),
            twice=2 * (pl.col("billionths") % pl.col("unit")),
        )
    )
    odd_half = (pl.col("twice") == pl.col("unit")) & (pl.col("beyond") | (pl.col("size") % 2 == 1))
    up = (pl.col("twice") > pl.col("unit")) | odd_half
    sign = pl.when(pl.col("1") == "-").then(-1).otherwise(1)
    return sizes.select((pl.col("size") + up) * sign).to_series()


def enum_number(column: pl.Expr, dtype: pl.DataType, field: str, translations: dict[str, str]) -> pl.Expr:
    """Gives the number of the enum value as Int8: by translation, else by its name, else by its number."""
    members = {name: member.value for name, member in ENUMS[field].__members__.items()}
    known = members | {str(number): number for number in members.values()}
    known |= {source: members[name] for source, name in translations.items()}
    return text(column, dtype).str.strip_chars().replace_strict(known, default=None, return_dtype=pl.Int8)


def time(column: pl.Expr, dtype: pl.DataType, written: TimeFormat) -> pl.Expr:
    """Gives moments as Datetime("us", "UTC")."""
    if isinstance(dtype, pl.Datetime):
        moment = column.dt.cast_time_unit("us")
        return moment.dt.convert_time_zone("UTC") if dtype.time_zone else _in_zone(moment, written.zone)
    if dtype == pl.Date:
        return _in_zone(column.cast(pl.Datetime("us")), written.zone)
    if written.format in _PER_SECOND:
        return _epoch(column, dtype, _PER_SECOND[written.format])
    return _from_text(column.cast(pl.String, strict=False).str.strip_chars(), written)


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


def _from_text(value: pl.Expr, written: TimeFormat) -> pl.Expr:
    if written.format != "iso":
        if "%z" in written.format:
            return value.str.to_datetime(written.format, time_unit="us", time_zone="UTC", strict=False)
        local = value.str.to_datetime(written.format, time_unit="us", strict=False)
        return _in_zone(local, written.zone)
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
    return pl.when(offset.is_null()).then(_in_zone(local, written.zone)).otherwise(absolute)


def _in_zone(local: pl.Expr, zone: str) -> pl.Expr:
    placed = local.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return placed.dt.convert_time_zone("UTC")
