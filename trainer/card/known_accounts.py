"""Accounts known to be compromised: as a part of the document, and in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainer.card.evidence import Evidence
from trainer.card.plain import number as finite
from trainer.card.schema.known_accounts import KnownAccounts
from trainer.wording import counted, number

_NO_FIGURES_OF_DETECTION = ("microseconds_a_row_single", "microseconds_a_row_in_frames")


def known_accounts(evidence: Evidence) -> KnownAccounts | None:
    """Returns the part of the document; None where a run did not look."""
    found = evidence.known_accounts
    if found is None:
        return None
    metrics = evidence.manifest.metrics
    without = found["without"]
    return KnownAccounts(
        rows=found["rows"],
        frauds=found["frauds"],
        with_them={
            name: finite(value) for name, value in metrics.items() if name not in _NO_FIGURES_OF_DETECTION
        },
        without_them=None if without is None else {name: finite(value) for name, value in without.items()},
    )


def told(rows: int, frauds: int, metrics: Mapping[str, float], without: Mapping[str, Any] | None) -> str:
    """Says how many test rows are of such accounts and what the figures are without them."""
    of_them = (
        f"Of the {metrics['rows']:,.0f} test transactions {rows:,} are of accounts already known to be "
        f"compromised, {counted(frauds, 'fraud')} among them"
    )
    if without is None:
        return f"{of_them}; the rest is of one kind only."
    names = {"average_precision": "average precision", "recall": "recall", "precision": "precision"}
    figures = ", ".join(
        f"{text} {number(without[name])} instead of {number(metrics[name])}" for name, text in names.items()
    )
    return f"{of_them}. Without them: {figures}."
