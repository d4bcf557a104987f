"""The tables that end a command."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from rich.console import Console
from rich.table import Table

from clients.cli.scoring import OutcomeTally, ScoringRun
from kuntur.scores import Decision
from kuntur.tables import RejectReport

_PERCENTILES = (50, 95, 99, 100)


def print_facts(title: str, facts: Iterable[tuple[str, str]]) -> None:
    """Prints names and figures as a table on standard output."""
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(justify="right")
    for name, figure in facts:
        table.add_row(name, figure)
    Console().print(table)


def scoring_facts(run: ScoringRun) -> list[tuple[str, str]]:
    """Returns the figures of a scoring run: rows, errors by reason, decisions, rate, latency a frame."""
    scored = run.scored
    facts = [
        ("rows", f"{len(scored):,}"),
        ("scored", f"{len(scored) - scored.error_count:,}"),
        *_by_reason("not scored", scored.errors_by_reason),
    ]
    decisions = Counter(scored.decision)
    facts += [
        (f"decision {each.name}", f"{decisions[each.name]:,}") for each in Decision if decisions[each.name]
    ]
    versions = sorted({*scored.model_version} - {""})
    facts.append(("model", ", ".join(versions) or "none"))
    facts.append(("rate", _rate(len(scored), run.elapsed_seconds)))
    facts += _latency(run.latencies_seconds)
    return facts


def outcome_facts(tally: OutcomeTally) -> list[tuple[str, str]]:
    """Returns the figures of reported outcomes: those taken, those refused by reason."""
    return [
        ("outcomes taken", f"{tally.accepted_count:,}"),
        *_by_reason("outcomes refused", tally.refused_by_reason),
    ]


def reject_facts(rejects: RejectReport) -> list[tuple[str, str]]:
    """Returns how many rows of the files were not sent because they break the rules, and why."""
    if not rejects.rows_rejected:
        return []
    return [
        ("rows of the files rejected", f"{rejects.rows_rejected:,}"),
        *((f"rejected: {each.field} {each.reason.value}", f"{each.rows:,}") for each in rejects.findings),
        ("rejected rows written to", str(rejects.path or "nowhere: name a file with --rejects")),
    ]


def backfill_facts(
    accepted_count: int,
    repeated_count: int,
    refused_count: int,
    listed_by_reason: Counter[str],
    elapsed_seconds: float,
) -> list[tuple[str, str]]:
    """Returns the figures of a backfill; the server lists reasons of the first refusals of a call only."""
    return [
        ("rows taken", f"{accepted_count:,}"),
        ("rows known before", f"{repeated_count:,}"),
        ("rows refused", f"{refused_count:,}"),
        *_by_reason("refusals listed", listed_by_reason),
        ("rate", _rate(accepted_count + repeated_count + refused_count, elapsed_seconds)),
    ]


def _by_reason(label: str, counts: Counter[str]) -> list[tuple[str, str]]:
    return [(f"{label}: {reason}", f"{count:,}") for reason, count in counts.most_common()]


def _rate(row_count: int, elapsed_seconds: float) -> str:
    return f"{row_count / elapsed_seconds:,.0f} rows/s" if elapsed_seconds > 0 else "-"


def _latency(latencies_seconds: Sequence[float]) -> list[tuple[str, str]]:
    if not latencies_seconds:
        return []
    figures = np.percentile(latencies_seconds, _PERCENTILES) * 1000
    return [
        (f"frame latency p{percentile}" if percentile < 100 else "frame latency max", f"{figure:.2f} ms")
        for percentile, figure in zip(_PERCENTILES, figures, strict=True)
    ]
