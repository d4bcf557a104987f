"""Holds a table to the declared schemas and gathers what they find."""

from __future__ import annotations

from datetime import datetime

import dataframely as dy
import polars as pl

from kuntur.tables import Table
from trainer.checks import expectations
from trainer.checks.contract import MEANINGS, REPORTED, contract
from trainer.checks.report import CheckReport, CheckResult, DataCheckError, Severity
from trainer.settings.data import CheckSettings

_EXAMPLES = 5


def check_table(table: Table, limits: CheckSettings, until: datetime | None = None) -> CheckReport:
    """Holds a table to its contract and to what is expected of it.

    until: aware moment at which the trainer stands; unset: not checked. Raises DataCheckError when a rule of
    the contract is broken, or with limits.strict any. About 0.7 s for 1.5 million rows.
    """
    frame = table.frame
    rows = contract(table.attributes, until)
    results = _columns(frame, rows)
    if not any(result.failed for result in results):
        # A server takes outcomes as they are told: there a clock that is behind is no fault of the table.
        lenient = frozenset({REPORTED} if table.outcomes is not None else ())
        results += _found(frame, rows, "rows", "source_row", "error", lenient)
        for about, key, made, schema in (
            ("days", "day", expectations.days(frame), expectations.day_schema(limits)),
            ("gaps", "day", expectations.gaps(frame), expectations.gap_schema(limits)),
            ("columns", "column", expectations.columns(frame), expectations.column_schema(limits)),
            ("table", None, expectations.whole(frame), expectations.whole_schema(limits)),
        ):
            results += _found(made, schema, about, key, "error" if limits.strict else "warning")
    report = CheckReport(frame.height, tuple(results), limits.model_dump(mode="json"))
    if report.failures:
        raise DataCheckError(report)
    return report


def _columns(frame: pl.DataFrame, schema: type[dy.Schema]) -> list[CheckResult]:
    wanted = pl.Schema({name: column.dtype for name, column in schema.columns().items()})
    wrong = [name for name, dtype in wanted.items() if frame.schema.get(name) != dtype]
    meaning = "the table has every column, each of its type"
    return [CheckResult("columns", meaning, "error", "columns", len(wanted), len(wrong), tuple(wrong))]


def _found(
    frame: pl.DataFrame,
    schema: type[dy.Schema],
    about: str,
    key: str | None,
    severity: Severity,
    lenient: frozenset[str] = frozenset(),
) -> list[CheckResult]:
    failure = schema.filter(frame).failure
    details, counts = failure.details(), failure.counts()
    results = []
    for rule in details.columns:
        if rule in frame.columns:
            continue
        failed = counts.get(rule, 0)
        examples: tuple[int | float | str, ...] = ()
        if failed:
            broken = details.filter(pl.col(rule) == "invalid")
            examples = _examples(broken, rule, key)
        kind: Severity = "warning" if rule in lenient else severity
        results.append(CheckResult(rule, _meaning(schema, rule), kind, about, frame.height, failed, examples))
    return results


def _examples(broken: pl.DataFrame, rule: str, key: str | None) -> tuple[int | float | str, ...]:
    column = rule.partition("|")[0] if key is None else key
    values = broken[column].head(_EXAMPLES).to_list()
    return tuple(value if isinstance(value, int | float) else str(value) for value in values)


def _meaning(schema: type[dy.Schema], rule: str) -> str:
    if rule in MEANINGS:
        return MEANINGS[rule]
    column, _, kind = rule.partition("|")
    described = schema.columns()[column].description or ""
    if schema.column_names()[0] == "transaction_id" and kind:
        return f"{column} is never null" if kind == "nullability" else f"{column} {described}"
    return described
