"""What a training run came to, for the person who started it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from kuntur.bundle.bundle import DOCUMENTS
from trainer.card.fits import told
from trainer.card.known_accounts import told as told_known
from trainer.phases import Phase
from trainer.pipeline import TrainingReport
from trainer.wording import counted, number

_SHOWN = {
    "average_precision": "average precision",
    "auc_roc": "AUC ROC",
    "precision": "precision at the review threshold",
    "recall": "recall at the review threshold",
    "recall_by_value": "share of stolen {currency} caught",
    "alerts_per_day": "alerts a day",
    "brier": "Brier score",
    "expected_calibration_error": "expected calibration error",
}


def show(report: TrainingReport, registry: Path, console: Console) -> None:
    """Prints the figures of the published model, the verdict, and what each phase of the run took."""
    manifest = report.manifest
    role = "live" if report.verdict.promoted else "a challenger"
    table = Table(title=f"Published {manifest.model_version}, {role}", title_justify="left")
    table.add_column("as judged, on a test window that taught, chose and calibrated nothing")
    table.add_column("", justify="right")
    for name, text in _SHOWN.items():
        table.add_row(text.format(currency=report.currency), number(manifest.metrics[name]))
    console.print(table)
    console.print(
        f"Chosen among {counted(report.trials, 'trial')} on {counted(manifest.row_count, 'transaction')}, "
        f"{counted(len(manifest.features), 'feature')}. "
        f"All a validator asks for: {registry / manifest.model_version / DOCUMENTS / 'model_card.html'}"
    )
    known = report.known_accounts
    for line in (
        told_known(known.rows, known.frauds, manifest.metrics, known.without),
        told(manifest),
    ):
        console.print(line, markup=False, highlight=False)
    console.print(report.verdict.text, markup=False, highlight=False)
    console.print(_phase_table(report.phases))


def _phase_table(phases: Sequence[Phase]) -> Table:
    table = Table(title="Time and memory", title_justify="left")
    table.add_column("phase")
    for heading in ("seconds", "rows", "rows a second", "peak memory", "largest worker"):
        table.add_column(heading, justify="right")
    for phase in phases:
        rate = "" if phase.rows is None or phase.seconds == 0 else f"{phase.rows / phase.seconds:,.0f}"
        table.add_row(
            phase.name,
            f"{phase.seconds:,.1f}",
            "" if phase.rows is None else f"{phase.rows:,}",
            rate,
            _gigabytes(phase.peak_bytes),
            _gigabytes(phase.worker_peak_bytes) if phase.worker_peak_bytes else "",
        )
    table.add_section()
    seconds, peak = sum(phase.seconds for phase in phases), max(phase.peak_bytes for phase in phases)
    worker = max(phase.worker_peak_bytes for phase in phases)
    table.add_row("all", f"{seconds:,.1f}", "", "", _gigabytes(peak), _gigabytes(worker) if worker else "")
    return table


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.2f} GB"
