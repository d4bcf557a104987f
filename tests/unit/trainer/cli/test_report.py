from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from tests.unit.trainer.samples import manifest_of
from trainer.cli.training_report import show
from trainer.gate import Verdict
from trainer.phases import Phase
from trainer.pipeline import TrainingReport
from trainer.release.known_accounts import KnownAccounts
from trainer.release.manifest import BundleName

METRICS = {
    "rows": 900.0,
    "average_precision": 0.5,
    "auc_roc": 0.9,
    "precision": 0.4,
    "recall": 0.6,
    "recall_by_value": 0.75,
    "alerts_per_day": 48.0,
    "brier": 0.01,
    "expected_calibration_error": 0.002,
}


PHASES = (
    Phase("reading", 20.0, 1_000_000, 1_230_000_000, 0),
    Phase("search", 100.04, 300_000, 2_000_000_000, 450_000_000),
    Phase("documents", 2.0, None, 1_900_000_000, 100_000_000),
)
KNOWN = KnownAccounts(31, 12, METRICS | {"average_precision": 0.4})
VERDICT = Verdict(False, False, "v0", (), "v1 stays a challenger [by far]")


def test_the_report_says_on_what_and_of_which_currency_its_figures_are() -> None:
    manifest = manifest_of(BundleName("v1", "v0"), metrics=METRICS, verdict=VERDICT)
    report = TrainingReport(manifest, "PEN", 16, VERDICT, KNOWN, PHASES)
    console = Console(file=io.StringIO(), width=120)
    show(report, Path("registry"), console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "on a test window" in text
    assert "share of stolen PEN caught" in text
    assert "Of the 900 test transactions 31 are of accounts already known" in text
    assert "average precision 0.4 instead of 0.5" in text
    assert "The fit that was judged is the one that is served" in text
    assert "0.75" in text
    assert "registry/v1/documents/model_card.html" in text
    assert "Published v1, a challenger" in text
    assert "v1 stays a challenger [by far]" in text
    rows = [
        [cell.strip() for cell in line.strip("│").split("│")] for line in text.splitlines() if "GB" in line
    ]
    assert rows == [
        ["reading", "20.0", "1,000,000", "50,000", "1.23 GB", ""],
        ["search", "100.0", "300,000", "2,999", "2.00 GB", "0.45 GB"],
        ["documents", "2.0", "", "", "1.90 GB", "0.10 GB"],
        ["all", "122.0", "", "", "2.00 GB", "0.45 GB"],
    ]
