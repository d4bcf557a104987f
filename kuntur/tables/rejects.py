"""Rejected rows: counted by reason, written to a file, and never dropped silently."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from kuntur.fields.schema import CODES, ENUMS
from kuntur.transaction import ATTRIBUTE_PREFIX
from kuntur.validation.columns import Reason

REJECT_COLUMNS = {
    "source_file": pl.String,  # path of the file
    "file_row": pl.Int64,  # number of the row in the file: 1 is the first one after the header
    "source_row": pl.Int64,  # number of the row over all files, from 0, as in a table's source_row
    "reason": pl.String,  # value of Reason
    "field": pl.String,  # canonical field; `labelled`; `row` for the row as a whole
    "column": pl.String,  # source column, "" for a constant or the row as a whole
    "value": pl.String,  # what the source holds there
}

_OF_A_FINDING = ("field", "column", "rows", "example", "file_row")
_TIMES = ("event_time", "reported_time")
# Values that a message may show as they are; others, about people and their money, only by their form.
_SHOWN = frozenset((*_TIMES, *ENUMS, *CODES, "is_fraud", "labelled", "row"))
_LONGEST_FORM = 40
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_REMEDIES = {
    (Reason.RAGGED, "row"): "a value that holds the separator or a line's end must stand in quotes",
    (Reason.UNPARSEABLE, "event_time"): "say how times are written in [time]: format, zone",
    (Reason.UNPARSEABLE, "reported_time"): "say how it is written in label.reported_format",
    (Reason.UNPARSEABLE, "amount_minor"): "say how money is written in [amount]: unit, decimal_comma",
    (Reason.UNKNOWN_VALUE, "is_fraud"): "list it in label.fraud or label.legitimate",
    (Reason.UNKNOWN_VALUE, "labelled"): "list it in label.labelled_values or label.unlabelled_values",
    (Reason.MISSING, "reported_time"): "label.delay_days beside label.reported_time gives one, counted from "
    "the event, to the rows that name none",
    **{(Reason.UNKNOWN_VALUE, field): f"translate it in [values.{field}]" for field in ENUMS},
    **{
        (reason, field): f"translate it in [values.{field}]"
        for reason in (Reason.UNKNOWN_VALUE, Reason.BAD_FORMAT)
        for field in CODES
    },
}


def _no_day(text: str) -> str:
    """Returns the day that a text begins with if it does not exist, such as 2019-11-31; else ""."""
    found = _DAY.match(text.strip())
    if found is None:
        return ""
    try:
        date.fromisoformat(found[0])
    except ValueError:
        return found[0]
    return ""


def _form(value: str) -> str:
    """Returns the form of a value without its content: letters as a and A, digits as 9."""
    written = ("9" if c.isdigit() else "A" if c.isupper() else "a" if c.isalpha() else c for c in value)
    form = "".join(written)
    return form if len(form) <= _LONGEST_FORM else form[:_LONGEST_FORM] + "…"


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason in one field: how many rows it rejected, and an offending value.

    The value is for this process alone: messages and documents outlive it and are read by others.
    """

    reason: Reason
    field: str
    column: str
    rows: int
    example: str
    file_row: int = 0
    """Number of the example's row in its file, 1 for the first after the header; 0 where not known."""

    @property
    def remedy(self) -> str:
        """What to change in the mapping or the file; "" where only the data can tell."""
        if self.reason is Reason.UNPARSEABLE and self.field in _TIMES and (day := _no_day(self.example)):
            return f"there is no day {day}: correct the file"
        if self.reason is Reason.UNPARSEABLE and self.field.startswith(ATTRIBUTE_PREFIX):
            return (
                f"attributes are numbers, and {self.field.removeprefix(ATTRIBUTE_PREFIX)!r} holds text here: "
                "leave its column out, or write it in numbers"
            )
        return _REMEDIES.get((self.reason, self.field), "")

    def told(self) -> str:
        """Returns the finding as one line of a message, without ids, amounts or attributes of customers."""
        where = f"column {self.column or '(constant)'!r} for {self.field}"
        if self.reason is Reason.RAGGED:
            where = "rows as a whole"
        row = f" in row {self.file_row:,}" if self.file_row and self.reason is not Reason.RAGGED else ""
        remedy = f"; {self.remedy}" if self.remedy else ""
        such = f"such as {self.example!r}"
        if self.example and self.field not in _SHOWN:
            such = f"of the form {_form(self.example)!r}"
        return f"{where}: {self.rows:,} {self.reason}, {such}{row}{remedy}"


@dataclass(frozen=True, slots=True)
class RejectReport:
    """What a reading rejected.

    rows_read counts the rows inside the time range, with those whose time could not be read. A row
    can have several findings, so the findings can add up to more than rows_rejected.
    """

    rows_read: int
    rows_rejected: int
    findings: tuple[Finding, ...]
    path: Path | None
    """The reject file; None when nothing was rejected or no path was given."""

    @property
    def share(self) -> float:
        """Rejected rows as a share of the rows read, 0 to 1."""
        return self.rows_rejected / self.rows_read if self.rows_read else 0.0

    @property
    def counts(self) -> dict[Reason, int]:
        """Findings by reason, the most frequent first."""
        counts: dict[Reason, int] = {}
        for finding in self.findings:
            counts[finding.reason] = counts.get(finding.reason, 0) + finding.rows
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    @property
    def columns(self) -> tuple[str, ...]:
        """Source columns with a finding, each once, the most frequent first."""
        return tuple(dict.fromkeys(finding.column or finding.field for finding in self.findings))


class TooManyRejects(ValueError):  # noqa: N818  what it says reads better than TooManyRejectsError
    """More rows were rejected than allowed; `report` holds the details, the message what to do."""

    def __init__(self, report: RejectReport, max_share: float) -> None:
        self.report = report
        where = (
            f"every rejected row is in {report.path}"
            if report.path
            else "give a reject file to see every rejected row"
        )
        lines = [
            f"{report.rows_rejected:,} of {report.rows_read:,} rows rejected ({report.share:.2%}); "
            f"at most {max_share:.2%} are allowed:",
            *(f"  {finding.told()}" for finding in report.findings),
            f"{where}. Correct the mapping or the files; raise the allowed share only for rows you can lose.",
        ]
        super().__init__("\n".join(lines))


def report(rows_read: int, rejected: pl.DataFrame, path: Path | None) -> RejectReport:
    """Returns the summary of rejects, and writes them to a file.

    rejected: columns as REJECT_COLUMNS, one row a finding of a row. path: CSV file to write when
    anything was rejected; its folder is made. Without rejects, that of an earlier run is removed.
    """
    written: Path | None = None
    if path is not None and rejected.height:
        path.parent.mkdir(parents=True, exist_ok=True)
        rejected.write_csv(path)
        written = path
    elif path is not None:
        path.unlink(missing_ok=True)
    grouped = (
        rejected.group_by("reason", "field", "column")
        .agg(
            rows=pl.len(),
            example=pl.col("value").sort_by("source_row").first(),
            file_row=pl.col("file_row").sort_by("source_row").first(),
        )
        .sort(["rows", "field", "reason"], descending=[True, False, False])
    )
    findings = tuple(
        Finding(Reason(row["reason"]), *(row[name] for name in _OF_A_FINDING))
        for row in grouped.iter_rows(named=True)
    )
    return RejectReport(rows_read, rejected["source_row"].n_unique(), findings, written)


def empty_rejects() -> pl.DataFrame:
    """Returns a table of rejects without rows."""
    return pl.DataFrame(schema=REJECT_COLUMNS)


def combine(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Returns rejects as one table, by row and then by field."""
    return pl.concat([empty_rejects(), *parts]).sort("source_row", "field", "reason")
