"""The end of the demonstration, for a person to read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from demo.live import Traffic

_SHOWN = (
    ("average precision", "average_precision", "{:.3f}"),
    ("AUC ROC", "auc_roc", "{:.3f}"),
    ("frauds caught, at the alert budget", "recall", "{:.1%}"),
    ("stolen {currency} caught", "recall_by_value", "{:.1%}"),
    ("alerts that are fraud", "precision", "{:.1%}"),
    ("alerts a day", "alerts_per_day", "{:.1f}"),
)


def show_detection(title: str, figures: Sequence[dict[str, float]], currency: str, console: Console) -> None:
    """Prints the figures of the old and the new model side by side; currency: of the stolen money."""
    table = Table(title=title, title_justify="left")
    table.add_column("")
    table.add_column("before retraining", justify="right")
    table.add_column("after", justify="right")
    for text, name, form in _SHOWN:
        table.add_row(text.format(currency=currency), *(form.format(values[name]) for values in figures))
    console.print(table)


def show_fact(name: str, value: str, console: Console) -> None:
    """Prints one line."""
    console.print(f"  {name:<48}{value}", highlight=False)


def show_served(
    served: pl.DataFrame,
    traffic: tuple[Traffic, Traffic],
    single_latencies_s: list[float],
    versions: tuple[str, str],
    differing: int,
    console: Console,
) -> None:
    """Prints what the server did: counts, agreement with the replay, the reload, speed."""
    weeks, rest = traffic
    told, refused = (sum(getattr(t, name) for t in traffic) for name in ("outcomes_told", "outcomes_refused"))
    old, new = (rest.scored.filter(pl.col("model_version") == version).height for version in versions)
    facts = (
        ("transactions scored over gRPC", f"{len(served) + len(single_latencies_s):,}"),
        ("failed calls or items", f"{weeks.errors + rest.errors}"),
        ("scores unlike the offline replay's, in any bit", f"{differing} of {len(served):,}"),
        ("outcomes reported", f"{told:,} ({refused} refused)"),
        ("hot reload in mid-stream", f"{old:,} scored by the old model, then {new:,} by the new"),
        ("throughput, outcomes in between", f"{len(weeks.scored) / weeks.seconds:,.0f} transactions/s"),
        ("a frame of up to 64: p50 / p95 / p99", _percentiles(weeks.frame_latencies_s)),
        ("a single call: p50 / p95 / p99", _percentiles(single_latencies_s)),
    )
    for name, value in facts:
        show_fact(name, value, console)


def _percentiles(latencies_s: Sequence[float]) -> str:
    values = np.percentile(np.asarray(latencies_s) * 1e3, (50, 95, 99))
    return " / ".join(f"{value:.2f}" for value in values) + " ms"
