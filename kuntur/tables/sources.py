"""Reads files or a frame of transactions into one canonical table: scan, map, check, sort.

Polars reads lazily and in parallel; only the rows of the wanted time range are ever held.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import polars as pl

from kuntur.fields.schema import canonical_schema
from kuntur.fields.transaction import ATTRIBUTES
from kuntur.tables.checked import checked_rows
from kuntur.tables.mapping import Mapping
from kuntur.tables.reading.canonical import canonical
from kuntur.tables.reading.scan import (
    SourceError,
    SourceFile,
    needed_columns,
    open_files,
    open_frame,
    prefixed_attributes,
)
from kuntur.tables.table import Table
from kuntur.validation.columns import row_rules


def read(
    paths: str | Path | Sequence[str | Path],
    mapping: Mapping,
    *,
    reject_path: Path | None = None,
    max_reject_share: float = 0.01,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Table:
    """Reads CSV, Parquet and JSON-lines files, by path or glob, into one table.

    A row that breaks a rule of `kuntur.validation.columns`, or holds a value that cannot be read, is rejected
    and counted. Duplicates are found within what is read.

    Args:
        paths: Files or globs.
        mapping: Which column is which field.
        reject_path: CSV file for the rejected rows, a line for each reason; when nothing is rejected, the
            file of an earlier run is removed. None for none.
        max_reject_share: The largest share of rejected rows allowed, 0 to 1.
        since: The earliest event time wanted, aware; None for no bound.
        until: The event time, aware, from which on rows are passed over; None for no bound.

    Raises:
        MappingError: The mapping does not describe transactions.
        SourceError: Files or columns are missing.
        TooManyRejects: More rows are rejected than allowed.
    """
    mapping.require("transactions")
    files = open_files(paths, mapping, needed_columns(mapping))
    return _read(files, mapping, reject_path, max_reject_share, since, until)


def read_frame(
    frame: pl.DataFrame | pl.LazyFrame,
    name: str,
    mapping: Mapping,
    *,
    reject_path: Path | None = None,
    max_reject_share: float = 0.01,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Table:
    """Reads rows that are in memory, or are to be scanned, such as a database's, as `read` those of a file.

    frame: columns as the mapping names them, of any type that a file can have; name: what messages and the
    reject file call the source, whose file_row then counts the frame's rows from 1.
    """
    mapping.require("transactions")
    files = [open_frame(frame, name, mapping)]
    return _read(files, mapping, reject_path, max_reject_share, since, until)


def _read(
    files: list[SourceFile],
    mapping: Mapping,
    reject_path: Path | None,
    max_reject_share: float,
    since: datetime | None,
    until: datetime | None,
) -> Table:
    for name, bound in (("since", since), ("until", until)):
        if bound is not None and bound.tzinfo is None:
            raise ValueError(f"{name} needs a time zone")
    if mapping.label is not None and not any(mapping.label.kind in file.schema.names() for file in files):
        mapping = mapping.without_kinds()
    attributes = _attributes(files, mapping)
    frame, report = checked_rows(
        files,
        [canonical(mapping, file.schema, attributes) for file in files],
        row_rules(tuple(attributes), country_codes=mapping.country_codes, kinds=mapping.names_kinds),
        _between(since, until),
        reject_path,
        max_reject_share,
    )
    kept = frame.select(list(canonical_schema(tuple(attributes), kinds=mapping.names_kinds)))
    # Most sources are in order, and a sort would hold all rows twice.
    ordered = kept if kept["event_time"].is_sorted() else kept.sort("event_time", maintain_order=True)
    return Table(ordered, report)


def _attributes(files: list[SourceFile], mapping: Mapping) -> dict[str, str]:
    found = dict(mapping.attributes)
    for file in files:
        found = prefixed_attributes(mapping, file.schema.names()) | found
    wrong = [name for name in found if not re.fullmatch(ATTRIBUTES.name_pattern, name)]
    if wrong:
        raise SourceError(f"columns that cannot be attributes by their name: {', '.join(sorted(wrong))}")
    if len(found) > ATTRIBUTES.most:
        raise SourceError(f"{len(found)} attributes; at most {ATTRIBUTES.most} are allowed")
    return dict(sorted(found.items()))


def _between(since: datetime | None, until: datetime | None) -> pl.Expr:
    time, between = pl.col("event_time"), pl.lit(value=True)
    if since is not None:
        between &= time >= since
    if until is not None:
        between &= time < until
    return time.is_null() | between
