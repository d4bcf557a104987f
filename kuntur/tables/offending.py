"""Reads what the rejected rows of a file hold, for the reject file.

It reads the file again: rejects are few, and keeping every source value would double the memory.
"""

from __future__ import annotations

import polars as pl

from kuntur.tables import rejects
from kuntur.tables.reading.moments import within_reach
from kuntur.tables.reading.scan import SourceFile
from kuntur.validation.columns import Reason

Fault = tuple[Reason, str]  # a reason and the canonical field that it is about

_ROW = "!row"


def rejected_rows(
    file: SourceFile, columns: dict[str, str], offset: int, found: dict[Fault, pl.Series]
) -> pl.DataFrame:
    """Returns the rejects of one file, columns as rejects.REJECT_COLUMNS.

    columns: canonical field to source column; offset: rows of the files before; found: the rows that
    each fault rejects, as numbers in the file from 0.
    """
    if not found:
        return rejects.empty_rejects()
    wanted = pl.concat(list(found.values())).unique()
    sources = sorted({columns[field] for _, field in found if field in columns})
    originals = file.rows.with_row_index(_ROW).cast({_ROW: pl.Int64}).select(_ROW, *sources)
    values = originals.filter(pl.col(_ROW).is_in(wanted.implode())).collect()
    return pl.concat(
        values.filter(pl.col(_ROW).is_in(where.implode()))
        .with_columns(_value(file, fault, columns, where).alias("!value"))
        .select(
            source_file=pl.lit(file.name),
            file_row=pl.col(_ROW) + 1,
            source_row=pl.col(_ROW) + offset,
            reason=pl.lit(fault[0].value),
            field=pl.lit(fault[1]),
            column=pl.lit(columns.get(fault[1], "")),
            value=pl.col("!value"),
        )
        for fault, where in found.items()
    )


def _value(file: SourceFile, fault: Fault, columns: dict[str, str], where: pl.Series) -> pl.Expr:
    reason, field = fault
    if reason is Reason.RAGGED:
        ragged = file.irregular.filter(pl.col("row").is_in(where.implode()))
        said = ragged.select(
            pl.format("line {} has {} values, the header {}", "line", "values", pl.lit(len(file.schema)))
        ).to_series()
        return pl.col(_ROW).replace_strict(ragged["row"], said, return_dtype=pl.String)
    if field in columns:
        return _text(columns[field], file.schema[columns[field]])
    return pl.lit("")


def _text(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if isinstance(dtype, pl.Datetime):  # a time beyond any calendar is shown as its number
        return pl.coalesce(
            within_reach(column, dtype).cast(pl.String), column.to_physical().cast(pl.String), pl.lit("")
        )
    return column.cast(pl.String, strict=False).fill_null("")
