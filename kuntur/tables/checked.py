"""Returns the rows of open files that keep the rules, and reports those that do not.

Serves transactions and outcomes alike: the caller says which columns, rules and rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from kuntur.fields.schema import SOURCE_ROW
from kuntur.tables import rejects
from kuntur.tables.offending import Fault, rejected_rows
from kuntur.tables.reading.canonical import Canonical
from kuntur.tables.reading.csv_rows import QUOTING
from kuntur.tables.reading.scan import SourceError, SourceFile
from kuntur.validation.columns import Reason, Rule, duplicates

_FILES_NAMED = 5  # in a message: thousands of names would bury the rest of it
_FILE, _FILE_ROW, _RAGGED, _FAULT = "!file", "!row", "!ragged", "!fault."


@dataclass(frozen=True, slots=True)
class _Origin:
    """One file among those read: its number, how it is read, and the number of its first row."""

    number: int
    file: SourceFile
    plan: Canonical
    offset: int


def checked_rows(
    files: Sequence[SourceFile],
    plans: Sequence[Canonical],
    rules: Sequence[Rule],
    wanted: pl.Expr,
    reject_path: Path | None,
    max_reject_share: float,
) -> tuple[pl.DataFrame, rejects.RejectReport]:
    """Returns the rows without fault, in the order of the files, and the report on the others.

    Args:
        files: The open files. Blank lines of CSV are not rows.
        plans: How each file is read, all to the same columns, transaction_id and institution_id among them.
        rules: What the rows must keep.
        wanted: Boolean over the columns; other rows are passed over.
        reject_path: CSV file to write the rejected rows to; None for none.
        max_reject_share: The largest share of rejected rows allowed, 0 to 1.

    Raises:
        SourceError: A file cannot be read.
        TooManyRejects: More rows are rejected than allowed.
    """
    faults = list(dict.fromkeys((rule.reason, rule.field) for plan in plans for rule in plan.faults))
    try:
        numbered = zip(range(len(files)), files, plans, _row_offsets(files), strict=True)
        origins = [_Origin(*origin) for origin in numbered]
        rows = pl.concat([_values(origin, faults) for origin in origins])
        frame = rows.filter(wanted | pl.col(_RAGGED)).collect()
        broken, reasons = _broken(frame, faults, rules)
        bad = broken.select(pl.any_horizontal(pl.all())).to_series()
        found = [_rejected(origin, frame, broken, reasons) for origin in origins] if bad.any() else []
    except PolarsError as error:
        raise SourceError(_unreadable(files, error)) from error
    report = rejects.report(frame.height, rejects.combine(found), reject_path)
    if report.share > max_reject_share:
        raise rejects.TooManyRejects(report, max_reject_share)
    # Mostly there is nothing to leave out, and a copy would hold all rows twice.
    return frame.filter(~bad) if bad.any() else frame, report


def _unreadable(files: Sequence[SourceFile], error: PolarsError) -> str:
    names = ", ".join(file.name for file in files[:_FILES_NAMED])
    more = f" and {len(files) - _FILES_NAMED} more" if len(files) > _FILES_NAMED else ""
    # The lines after the first are about settings of Polars that a mapping does not have.
    said = str(error).splitlines()[0]
    quotes = f"; in CSV, {QUOTING}" if any(file.csv for file in files) else ""
    return f"cannot read the rows of {names}{more}: {said}{quotes}"


def _row_offsets(files: Sequence[SourceFile]) -> list[int]:
    counts = pl.collect_all([file.rows.select(pl.len()) for file in files[:-1]])
    offsets = [0]
    for count in counts:
        offsets.append(offsets[-1] + int(count.item()))
    return offsets


def _values(origin: _Origin, faults: list[Fault]) -> pl.LazyFrame:
    own = {(rule.reason, rule.field): rule.broken for rule in origin.plan.faults}
    flags = [
        own.get(fault, pl.lit(value=False)).fill_null(value=False).alias(f"{_FAULT}{index}")
        for index, fault in enumerate(faults)
    ]
    row, irregular = pl.col(_FILE_ROW).cast(pl.Int64), origin.file.irregular
    rows = origin.file.rows.with_row_index(_FILE_ROW)
    ragged = pl.lit(value=False)
    if irregular.height:
        blank = pl.col("values") == 0
        rows = rows.filter(~row.is_in(irregular.filter(blank)["row"].implode()))
        ragged = row.is_in(irregular.filter(~blank)["row"].implode())
    rows = rows.select(
        *origin.plan.values,
        *flags,
        ragged.alias(_RAGGED),
        (row + origin.offset).alias(SOURCE_ROW),
        pl.lit(origin.number, dtype=pl.Int64).alias(_FILE),
    )
    return rows.with_columns(origin.plan.adjusted)


def _broken(
    frame: pl.DataFrame, faults: list[Fault], rules: Sequence[Rule]
) -> tuple[pl.DataFrame, list[Fault]]:
    # What could not be read is null in its field; it is reported as unparseable and not also as missing.
    known = {field for reason, field in faults if reason is Reason.UNPARSEABLE}
    unread = {field: f"{_FAULT}{faults.index((Reason.UNPARSEABLE, field))}" for field in known}
    # A report time counted from an event time is missing only because that one is.
    timeless = [
        pl.col(f"{_FAULT}{index}") for index, (_, field) in enumerate(faults) if field == "event_time"
    ]
    checks = [
        *(pl.col(f"{_FAULT}{index}") for index in range(len(faults))),
        *(
            _by_itself(rule, [pl.col(unread[rule.field])] if rule.field in unread else [], timeless)
            for rule in rules
        ),
    ]
    # No value of a ragged row is sure to belong to its column, so nothing else is reported of it.
    broken = frame.select(
        pl.col(_RAGGED),
        *(
            (check.fill_null(value=False) & ~pl.col(_RAGGED)).alias(f"check.{index}")
            for index, check in enumerate(checks)
        ),
    )
    valid = ~broken.select(pl.any_horizontal(pl.all())).to_series()
    repeated = duplicates(frame, valid) & ~frame[_RAGGED]
    names = [
        (Reason.RAGGED, "row"),
        *faults,
        *((rule.reason, rule.field) for rule in rules),
        (Reason.DUPLICATE, "transaction_id"),
    ]
    return broken.with_columns(repeated.alias("duplicate")), names


def _by_itself(rule: Rule, unread: list[pl.Expr], timeless: list[pl.Expr]) -> pl.Expr:
    """Returns where a rule is broken and no fault in reading the same row is the cause of it."""
    consequence = (rule.reason, rule.field) == (Reason.MISSING, "reported_time")
    causes = [*unread, *(timeless if consequence else [])]
    return rule.broken & ~pl.any_horizontal(causes) if causes else rule.broken


def _rejected(
    origin: _Origin, frame: pl.DataFrame, broken: pl.DataFrame, reasons: list[Fault]
) -> pl.DataFrame:
    mine = frame[_FILE] == origin.number
    found: dict[Fault, pl.Series] = {}
    for fault, name in zip(reasons, broken.columns, strict=True):
        where = frame[SOURCE_ROW].filter(broken[name] & mine) - origin.offset
        if len(where):
            found[fault] = found[fault].append(where).unique() if fault in found else where
    return rejected_rows(origin.file, origin.plan.columns, origin.offset, found)
