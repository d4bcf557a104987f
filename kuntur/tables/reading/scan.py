"""Opening files and frames: globs, extensions, columns. What is in the rows is left to `canonical`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from kuntur.files.paths import FORMATS, matches, path_problem, refusal
from kuntur.tables.mapping import Mapping
from kuntur.tables.reading import csv_rows


class SourceError(ValueError):
    """Files cannot be read; the message lists every problem, such as a missing file or column."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that is open for reading: its columns are known, its rows are not read yet.

    name: its path, or what messages call a frame; irregular: rows that do not fit the header, as
    `csv_rows` finds them.
    """

    name: str
    rows: pl.LazyFrame
    schema: pl.Schema
    irregular: pl.DataFrame
    csv: bool = False


def as_paths(paths: str | Path | Sequence[str | Path]) -> list[str]:
    """Returns one path or several as a list of texts."""
    return [str(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]


def open_files(
    paths: str | Path | Sequence[str | Path], mapping: Mapping, needed: dict[str, bool]
) -> list[SourceFile]:
    """Opens files named by paths or globs, each once, in the order given and sorted within a glob.

    needed: source columns to be read, each with whether every file must have it. CSV is read whole to
    see that its rows fit the header, JSON lines for their columns' types, Parquet by its footer. Raises
    SourceError with every problem of every file.
    """
    problems: list[str] = []
    found: dict[Path, None] = {}
    for pattern in as_paths(paths):
        named = matches(pattern)
        if not named:
            problems.append(f"{pattern}: no such file")
        found.update(dict.fromkeys(named))
    files: list[SourceFile] = []
    for path in found:
        problem = path_problem(path, mapping.file_format)
        if problem is not None:
            problems.append(problem)
        else:
            try:
                files.append(_opened(path, mapping))
            except (PolarsError, OSError, csv_rows.CsvError) as error:
                problems.append(f"{path}: cannot be read: {error}")
    for file in files:
        problems.extend(_column_problems(file.name, file.schema, mapping, needed))
    if not problems and not files:
        problems.append("no path given")
    if problems:
        raise SourceError(refusal(problems))
    return files


def require_columns(name: str, schema: pl.Schema, mapping: Mapping) -> None:
    """Raises SourceError, with every problem, when a mapping cannot read transactions from these columns.

    name: what messages call the source of the rows.
    """
    if problems := list(_column_problems(name, schema, mapping, needed_columns(mapping))):
        raise SourceError("\n".join([f"cannot read {name}:", *(f"  {line}" for line in problems)]))


def open_frame(frame: pl.DataFrame | pl.LazyFrame, name: str, mapping: Mapping) -> SourceFile:
    """Opens a frame of transactions as if it were a file. Raises SourceError as `require_columns` does."""
    schema = frame.collect_schema()
    require_columns(name, schema, mapping)
    return SourceFile(name, frame.lazy(), schema, csv_rows.no_rows())


def _opened(path: Path, mapping: Mapping) -> SourceFile:
    rows = _scan(path, mapping)
    schema = rows.collect_schema()
    irregular = csv_rows.no_rows()
    if _format(path, mapping) == "csv":
        row_count = rows.select(pl.len())
        irregular = csv_rows.irregular_rows(path, mapping.csv_separator, len(schema), row_count)
    return SourceFile(str(path), rows, schema, irregular, csv=_format(path, mapping) == "csv")


def _format(path: Path, mapping: Mapping) -> str:
    return mapping.file_format or FORMATS[path.suffix.lower()]


def _scan(path: Path, mapping: Mapping) -> pl.LazyFrame:
    file_format = _format(path, mapping)
    if file_format == "parquet":
        return pl.scan_parquet(path, glob=False)
    if file_format == "csv":
        # All as text: a type guessed from the first rows would lose leading zeros and exact decimals.
        # Rows with too many values are cut here and found by `csv_rows`: whether Polars would notice
        # them depends on which columns are read.
        return pl.scan_csv(
            path,
            glob=False,
            infer_schema=False,
            separator=mapping.csv_separator,
            truncate_ragged_lines=True,
        )
    return pl.scan_ndjson(path, infer_schema_length=None)


def needed_columns(mapping: Mapping) -> dict[str, bool]:
    """Returns the source columns that a mapping reads, each with whether every file must have it."""
    needed = {column: field not in mapping.optional for field, column in mapping.columns.items()}
    needed |= dict.fromkeys(mapping.attributes.values(), True)
    if mapping.label is not None:
        label = mapping.label
        for column in (label.column, label.reported_time, label.labelled):
            if column is not None:
                needed[column] = needed.get(column, False) or "label" not in mapping.optional
        if label.kind is not None:
            required = not {"label", "label.kind"} & set(mapping.optional)
            needed[label.kind] = needed.get(label.kind, False) or required
    return needed


def outcome_columns(mapping: Mapping) -> dict[str, bool]:
    """Returns the source columns that a mapping reads outcomes from, as `needed_columns` does."""
    needed = {
        mapping.columns[name]: name not in mapping.optional
        for name in ("transaction_id", "institution_id")
        if name in mapping.columns
    }
    label = mapping.label
    if label is not None:
        given = (label.column, label.reported_time, label.labelled)
        needed |= dict.fromkeys((column for column in given if column is not None), True)
        if label.reported_time is None:
            needed[mapping.columns["event_time"]] = True
    return needed


def prefixed_attributes(mapping: Mapping, columns: Iterable[str]) -> dict[str, str]:
    """Returns the attributes that a mapping's prefix finds among columns, name to column."""
    prefix = mapping.attribute_prefix
    if prefix is None:
        return {}
    return {column[len(prefix) :]: column for column in columns if column.startswith(prefix)}


def _column_problems(
    file: str, schema: pl.Schema, mapping: Mapping, needed: dict[str, bool]
) -> Iterable[str]:
    existing = schema.names()
    missing = [name for name, must in needed.items() if must and name not in existing]
    for name in missing:
        close = difflib.get_close_matches(
            name.lower(), [other.lower() for other in existing], n=3, cutoff=0.6
        )
        close = [other for other in existing if other.lower() in close]
        yield f"{file}: no column {name!r}" + (f"; closest: {', '.join(close)}" if close else "")
    if missing:
        yield f"{file}: its columns are {', '.join(existing)}"
        separators = [mark for mark in ";\t|," if mark in existing[0]] if len(existing) == 1 else []
        for mark in separators[:1]:
            yield f"{file}: these look separated by {mark!r}: give that as csv_separator in the mapping"
    for name, column in mapping.columns.items():
        if column in needed and column in existing and schema[column].is_nested():
            yield f"{file}: column {column!r} for {name} is nested ({schema[column]}), not a value"
