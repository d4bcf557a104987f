"""Findings by kind and segment, for the person who ran the backtest and as a part of its document."""

from __future__ import annotations

import math
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from trainer.backtest.figures.found import Found, Timing
from trainer.backtest.figures.incidents import GAP_DAYS
from trainer.backtest.findings import Findings
from trainer.evaluation.bootstrap import Interval


def findings_document(found: Findings) -> dict[str, Any]:
    """Returns the parts `kinds` and `segments` of the document; what is not a number is null."""
    return {
        "kinds": {
            "alerts_per_day": found.alerts_per_day,
            "incident_gap_days": GAP_DAYS,
            "all": _document(found.whole),
            "left_out": list(found.left_out),
            "kinds": [_document(kind) for kind in found.kinds],
        },
        "segments": [{"segment": one.segment} | _document(one.found) for one in found.segments],
    }


def show_findings(found: Findings, console: Console) -> None:
    """Prints what was found of each kind, when, and of each segment that has a fraud."""
    kinds = [*found.kinds, found.whole]
    console.print(_what(kinds, found.alerts_per_day), "", _when(kinds), "", sep="\n")
    if found.left_out:
        console.print(f"The bank never recognised, so nothing was learnt of: {', '.join(found.left_out)}", "")
    console.print(_segments(found), "", sep="\n")


def _document(found: Found) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": found.name,
        "rows": found.rows,
        "frauds": found.frauds,
        "accounts": found.accounts,
        "alerts": found.alerts,
        "recall": _interval(found.recall),
        "recall_by_value": _interval(found.recall_by_value),
        "average_precision": _or_null(found.average_precision),
    }
    timing = found.timing
    if timing is not None:
        told["incidents"] = {
            "number": timing.incidents,
            "found": _interval(timing.found),
            "found_at_first": _interval(timing.at_first),
            "found_before_half_the_money": _interval(timing.early),
            "median_place": _or_null(timing.place),
            "median_hours": _or_null(timing.hours),
        }
    return told


def _interval(interval: Interval) -> dict[str, float | None]:
    return {name: _or_null(getattr(interval, name)) for name in ("value", "low", "high")}


def _or_null(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _table(title: str, *heads: str) -> Table:
    table = Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=0, show_edge=False
    )
    table.add_column("", no_wrap=True)
    for head in heads:
        table.add_column(head, justify="right")
    return table


def _what(kinds: list[Found], alerts_per_day: float) -> Table:
    table = _table(
        f"What was found of each kind, at {alerts_per_day:g} alerts a day",
        "frauds", "found", "95 %", "money", "95 %", "AP",
    )  # fmt: skip
    for found in kinds:
        table.add_row(
            found.name,
            f"{found.frauds:,}",
            _share(found.recall.value),
            _between(found.recall),
            _share(found.recall_by_value.value),
            _between(found.recall_by_value),
            _decimal(found.average_precision, 3),
        )
    return table


def _when(kinds: list[Found]) -> Table:
    table = _table(
        "When: incidents by their first alert",
        "incidents", "found", "at the\nfirst", "before half\nthe money", "place\n(median)", "hours\n(median)",
    )  # fmt: skip
    for found in kinds:
        timing = found.timing
        if timing is not None:
            table.add_row(found.name, *_timed(timing))
    return table


def _timed(timing: Timing) -> tuple[str, ...]:
    return (
        f"{timing.incidents:,}",
        _share(timing.found.value),
        _share(timing.at_first.value),
        _share(timing.early.value),
        _decimal(timing.place, 1),
        _decimal(timing.hours, 1),
    )


def _segments(found: Findings) -> Table:
    table = _table("By segment, those with a fraud", "rows", "frauds", "alerts", "found", "money", "AP")
    before = None
    for one in found.segments:
        part = one.found
        if not part.frauds:
            continue
        if one.segment != before:
            table.add_row(f"[bold]{one.segment}[/bold]")
            before = one.segment
        table.add_row(
            f" {part.name}",
            f"{part.rows:,}",
            f"{part.frauds:,}",
            f"{part.alerts:,}",
            _share(part.recall.value),
            _share(part.recall_by_value.value),
            _decimal(part.average_precision, 3),
        )
    return table


def _share(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.0%}"


def _between(interval: Interval) -> str:
    return "" if math.isnan(interval.low) else f"{interval.low:.0%}–{interval.high:.0%}"


def _decimal(value: float, decimals: int) -> str:
    return "–" if math.isnan(value) else f"{value:.{decimals}f}"
