"""Reads files of transactions into one canonical table: scan, map, check, sort.

Polars reads lazily and in parallel; only the rows of the wanted time range are ever held.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from kuntur.tables import rejects
from kuntur.tables.canonical import Canonical, canonical
from kuntur.tables.mapping import Mapping
from kuntur.tables.rules import Reason, duplicates, row_rules
from kuntur.tables.scan import SourceError, SourceFile, open_files, prefixed_attributes
from kuntur.tables.schema import SOURCE_ROW, canonical_schema
from kuntur.tables.table import Table
from kuntur.transaction import ATTRIBUTE_NAME_PATTERN, MAX_ATTRIBUTES

_FILES_NAMED = 5  # in a message: with thousands of files the rest of it would be lost
_FILE, _FILE_ROW, _FAULT = "!file", "!row", "!fault."


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

    since <= event_time < until, both aware; unset: no bound. A row breaks the rules of `rules`, or a
    value cannot be read: it is rejected, counted, and written to reject_path (CSV, a line for each
    reason). Duplicates are found within what is read. Raises SourceError when files or columns are
    missing, TooManyRejects when more than max_reject_share (0 to 1) of the rows are rejected.
    """
    for name, bound in (("since", since), ("until", until)):
        if bound is not None and bound.tzinfo is None:
            raise ValueError(f"{name} needs a time zone")
    files = open_files(paths, mapping)
    attributes = _attributes(files, mapping)
    plans = [canonical(mapping, file.schema, attributes) for file in files]
    faults = list(dict.fromkeys((rule.reason, rule.field) for plan in plans for rule in plan.faults))
    try:
        numbered = zip(range(len(files)), files, plans, _row_offsets(files), strict=True)
        origins = [_Origin(*origin) for origin in numbered]
        rows = pl.concat([_values(origin, faults) for origin in origins])
        frame = _between(rows, since, until).collect()
        broken, reasons = _broken(frame, faults, tuple(attributes))
        bad = broken.select(pl.any_horizontal(pl.all())).to_series()
        rejected = [_rejected_rows(origin, frame, broken, reasons) for origin in origins] if bad.any() else []
    except PolarsError as error:
        names = ", ".join(str(file.path) for file in files[:_FILES_NAMED])
        more = f" and {len(files) - _FILES_NAMED} more" if len(files) > _FILES_NAMED else ""
        raise SourceError(f"cannot read the transactions from {names}{more}: {error}") from error
    report = rejects.report(frame.height, rejects.combine(rejected), reject_path)
    if report.share > max_reject_share:
        raise rejects.TooManyRejects(report, max_reject_share)
    kept = frame.select(list(canonical_schema(tuple(attributes)))).filter(~bad)
    return Table(kept.sort("event_time", maintain_order=True), report)


@dataclass(frozen=True, slots=True)
class _Origin:
    """One file among those read: its number, how it is read, and the number of its first row."""

    number: int
    file: SourceFile
    plan: Canonical
    offset: int


def _attributes(files: list[SourceFile], mapping: Mapping) -> dict[str, str]:
    found = dict(mapping.attributes)
    for file in files:
        found = prefixed_attributes(mapping, file.schema.names()) | found
    wrong = [name for name in found if not re.fullmatch(ATTRIBUTE_NAME_PATTERN, name)]
    if wrong:
        raise SourceError(f"columns that cannot be attributes by their name: {', '.join(sorted(wrong))}")
    if len(found) > MAX_ATTRIBUTES:
        raise SourceError(f"{len(found)} attributes; at most {MAX_ATTRIBUTES} are allowed")
    return dict(sorted(found.items()))


def _values(origin: _Origin, faults: list[tuple[Reason, str]]) -> pl.LazyFrame:
    own = {(rule.reason, rule.field): rule.broken for rule in origin.plan.faults}
    flags = [
        own.get(fault, pl.lit(value=False)).fill_null(value=False).alias(f"{_FAULT}{index}")
        for index, fault in enumerate(faults)
    ]
    rows = origin.file.rows.with_row_index(_FILE_ROW).select(
        *origin.plan.values,
        *flags,
        (pl.col(_FILE_ROW).cast(pl.Int64) + origin.offset).alias(SOURCE_ROW),
        pl.lit(origin.number, dtype=pl.Int64).alias(_FILE),
    )
    return rows.with_columns(origin.plan.adjusted)


def _row_offsets(files: list[SourceFile]) -> list[int]:
    counts = pl.collect_all([file.rows.select(pl.len()) for file in files[:-1]])
    offsets = [0]
    for count in counts:
        offsets.append(offsets[-1] + int(count.item()))
    return offsets


def _between(rows: pl.LazyFrame, since: datetime | None, until: datetime | None) -> pl.LazyFrame:
    time = pl.col("event_time")
    if since is not None:
        rows = rows.filter(time.is_null() | (time >= since))
    if until is not None:
        rows = rows.filter(time.is_null() | (time < until))
    return rows


def _broken(
    frame: pl.DataFrame, faults: list[tuple[Reason, str]], attributes: tuple[str, ...]
) -> tuple[pl.DataFrame, list[tuple[Reason, str]]]:
    rules = row_rules(attributes)
    # What could not be read is null in its field and reported as such, not as missing once more.
    known = {field for reason, field in faults if reason is Reason.UNPARSEABLE}
    unread = {field: f"{_FAULT}{faults.index((Reason.UNPARSEABLE, field))}" for field in known}
    checks = [
        (rule.broken & ~pl.col(unread[rule.field]) if rule.field in unread else rule.broken) for rule in rules
    ]
    broken = frame.select(
        *(pl.col(f"{_FAULT}{index}") for index in range(len(faults))),
        *(check.fill_null(value=False).alias(f"rule.{index}") for index, check in enumerate(checks)),
    )
    valid = ~broken.select(pl.any_horizontal(pl.all())).to_series()
    repeated = duplicates(frame, valid)
    names = [*faults, *((rule.reason, rule.field) for rule in rules), (Reason.DUPLICATE, "transaction_id")]
    return broken.with_columns(repeated.alias("duplicate")), names


def _rejected_rows(
    origin: _Origin, frame: pl.DataFrame, broken: pl.DataFrame, reasons: list[tuple[Reason, str]]
) -> pl.DataFrame:
    """Gives the rejects of one file, reading the offending values from it once more.

    Rejects are few; carrying every source value along for their sake would double the memory.
    """
    mine, offset, columns = frame[_FILE] == origin.number, origin.offset, origin.plan.columns
    found: dict[tuple[Reason, str], pl.Series] = {}
    for key, name in zip(reasons, broken.columns, strict=True):
        where = frame[SOURCE_ROW].filter(broken[name] & mine) - offset
        if len(where):
            found[key] = found[key].append(where).unique() if key in found else where
    if not found:
        return rejects.empty_rejects()
    wanted = pl.concat(list(found.values())).unique()
    originals = (
        origin.file.rows.select(sorted({columns[field] for _, field in found if field in columns}))
        if any(field in columns for _, field in found)
        else origin.file.rows
    )
    originals = originals.with_row_index(_FILE_ROW).cast({_FILE_ROW: pl.Int64})
    values = originals.filter(pl.col(_FILE_ROW).is_in(wanted.implode())).collect()
    return pl.concat(
        values.filter(pl.col(_FILE_ROW).is_in(where.implode())).select(
            source_file=pl.lit(str(origin.file.path)),
            file_row=pl.col(_FILE_ROW),
            source_row=pl.col(_FILE_ROW) + offset,
            reason=pl.lit(reason.value),
            field=pl.lit(field),
            column=pl.lit(columns.get(field, "")),
            value=pl.col(columns[field]).cast(pl.String, strict=False).fill_null("")
            if field in columns
            else pl.lit(""),
        )
        for (reason, field), where in found.items()
    )
