"""What a training run came to, for the person who started it."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from kuntur.bundle.bundle import DOCUMENTS
from trainer.card.fits import told
from trainer.card.known_accounts import told as told_known
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
    """Prints the figures of the published model and the verdict."""
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
