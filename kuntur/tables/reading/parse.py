"""Expressions that bring one column of a file to one canonical column, whatever type it has there.

Each parser returns null for "not given" and for "cannot be read" alike; `unread` tells the two apart.
Times are left to `moments`.
"""

from __future__ import annotations

import polars as pl

from kuntur.currency import MINOR_UNIT_SCALE
from kuntur.fields.schema import ENUMS
from kuntur.fields.transaction import MERCHANT_CATEGORY_CODE

_MONEY = r"^([+-]?)(?:([0-9]{1,16})(?:\.([0-9]*))?|\.([0-9]+))$"  # digits on either side of the point


def text(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Returns the column as text, null where it is null; a float that is whole loses its `.0`.

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


def without_nan(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Returns the column with null for NaN: as a float, or as the text `NaN` or `nan`."""
    if dtype.is_float():
        return column.fill_nan(None)
    if dtype == pl.String:
        return pl.when(~column.str.strip_chars().is_in(["NaN", "nan"])).then(column)
    return column


def given(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Returns where the column holds a value: neither null nor blank text."""
    if dtype == pl.String:
        return (column.str.strip_chars() != "").fill_null(value=False)
    return column.is_not_null()


def unread(parsed: pl.Expr, column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Returns where a value is given but could not be read."""
    return parsed.is_null() & given(column, dtype)


def category_code(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Returns a merchant category code; one kept as a number gets its leading zeros back."""
    code = text(column, dtype)
    return code if dtype == pl.String else code.str.zfill(MERCHANT_CATEGORY_CODE.digits)


def integer(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Returns whole numbers as Int64; a fraction cannot be read."""
    if dtype.is_integer():
        return column.cast(pl.Int64, strict=False)
    if dtype.is_float():
        return pl.when(column == column.round(0)).then(column.cast(pl.Int64, strict=False))
    return column.cast(pl.String, strict=False).str.strip_chars().cast(pl.Int64, strict=False)


def decimal(column: pl.Expr, dtype: pl.DataType, *, decimal_comma: bool = False) -> pl.Expr:
    """Returns numbers as Float64."""
    if dtype == pl.String:
        plain = column.str.strip_chars()
        return (plain.str.replace(",", ".", literal=True) if decimal_comma else plain).cast(
            pl.Float64, strict=False
        )
    return column.cast(pl.Float64, strict=False)


def minor_units(
    column: pl.Expr, dtype: pl.DataType, currency: pl.Expr, *, decimal_comma: bool = False
) -> pl.Expr:
    """Returns decimal major units as Int64 minor units of the row's currency, halves rounded to even.

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
    no_whole = pl.when(pl.col("4").is_not_null()).then(pl.lit(0, dtype=pl.Int64))
    whole = pl.coalesce(pl.col("2").cast(pl.Int64), no_whole)
    fraction = pl.coalesce("3", "4").fill_null("")
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
    """Returns the number of the enum value as Int8: by translation, else by its name, else by its number."""
    members = {name: member.value for name, member in ENUMS[field].__members__.items()}
    known = members | {str(number): number for number in members.values()}
    known |= {source: members[name] for source, name in translations.items()}
    return text(column, dtype).str.strip_chars().replace_strict(known, default=None, return_dtype=pl.Int8)
