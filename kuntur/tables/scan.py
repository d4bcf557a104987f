"""Opening files: globs, extensions, columns. What is in the rows is left to `sources`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from kuntur.tables.mapping import Mapping

_EXTENSIONS = (".csv", ".parquet", ".pq", ".jsonl", ".ndjson")
_GLOB_CHARACTERS = frozenset("*?[")


class SourceError(ValueError):
    """Says everything that keeps files from being read: missing files or columns, unknown extensions."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that is open for reading: its columns are known, its rows are not read yet."""

    path: Path
    rows: pl.LazyFrame
    schema: pl.Schema


def as_paths(paths: str | Path | Sequence[str | Path]) -> list[str]:
    """Gives one path or several as a list of texts."""
    return [str(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]


def open_files(paths: str | Path | Sequence[str | Path], mapping: Mapping) -> list[SourceFile]:
    """Opens files named by paths or globs, each once, in the order given and sorted within a glob.

    CSV and JSON lines are read whole for their columns' types, Parquet by its footer. Raises
    SourceError with every problem of every file.
    """
    problems: list[str] = []
    found: dict[Path, None] = {}
    for pattern in as_paths(paths):
        matches = _matches(pattern)
        if not matches:
            problems.append(f"{pattern}: no such file")
        found.update(dict.fromkeys(matches))
    files: list[SourceFile] = []
    for path in found:
        if path.is_dir():
            problems.append(f"{path}: is a folder; name its files, such as {path}/*.parquet")
        elif path.suffix.lower() not in _EXTENSIONS:
            problems.append(f"{path}: extension {path.suffix!r} is none of {', '.join(_EXTENSIONS)}")
        else:
            try:
                rows = _scan(path, mapping)
                files.append(SourceFile(path, rows, rows.collect_schema()))
            except (PolarsError, OSError) as error:
                problems.append(f"{path}: cannot be read: {error}")
    for file in files:
        problems.extend(_column_problems(file, mapping))
    if not problems and not files:
        problems.append("no path given")
    if problems:
        raise SourceError("\n".join(["cannot read the transactions:", *(f"  {line}" for line in problems)]))
    return files


def _matches(pattern: str) -> list[Path]:
    path = Path(pattern).expanduser()
    if path.exists():
        return [path]
    if not _GLOB_CHARACTERS & set(pattern):
        return []
    root = Path(path.anchor) if path.anchor else Path()
    return sorted(root.glob(str(path.relative_to(path.anchor))))


def _scan(path: Path, mapping: Mapping) -> pl.LazyFrame:
    suffix = path.suffix.lower()
    if suffix in {".parquet", ".pq"}:
        return pl.scan_parquet(path, glob=False)
    if suffix == ".csv":
        # All as text: a type guessed from the first rows would lose leading zeros and exact decimals.
        return pl.scan_csv(path, glob=False, infer_schema=False, separator=mapping.csv_separator)
    return pl.scan_ndjson(path, infer_schema_length=None)


def needed_columns(mapping: Mapping) -> dict[str, bool]:
    """Gives the source columns that a mapping reads, each with whether every file must have it."""
    needed = {column: field not in mapping.optional for field, column in mapping.columns.items()}
    needed |= dict.fromkeys(mapping.attributes.values(), True)
    if mapping.label is not None:
        label = mapping.label
        for column in (label.column, label.reported_time, label.labelled):
            if column is not None:
                needed[column] = needed.get(column, False) or "label" not in mapping.optional
    return needed


def prefixed_attributes(mapping: Mapping, columns: Iterable[str]) -> dict[str, str]:
    """Gives the attributes that a mapping's prefix finds among columns, name to column."""
    prefix = mapping.attribute_prefix
    if prefix is None:
        return {}
    return {column[len(prefix) :]: column for column in columns if column.startswith(prefix)}


def _column_problems(file: SourceFile, mapping: Mapping) -> Iterable[str]:
    existing = file.schema.names()
    missing = [name for name, must in needed_columns(mapping).items() if must and name not in existing]
    for name in missing:
        close = difflib.get_close_matches(
            name.lower(), [other.lower() for other in existing], n=3, cutoff=0.6
        )
        close = [other for other in existing if other.lower() in close]
        yield f"{file.path}: no column {name!r}" + (f"; closest: {', '.join(close)}" if close else "")
    if missing:
        yield f"{file.path}: its columns are {', '.join(existing)}"
    for name, column in mapping.columns.items():
        if column in existing and file.schema[column].is_nested():
            yield f"{file.path}: column {column!r} for {name} is nested ({file.schema[column]}), not a value"
