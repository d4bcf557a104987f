"""Replayed scores as a file: ids, score, whether flagged, the label where known, and what they come to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from trainer.evaluation.evaluate import average_precision
from trainer.wording import counted, number, per_cent

_IDS = ("source_row", "transaction_id", "institution_id", "event_time", "account_id")


@dataclass(frozen=True, slots=True)
class ScoredFigures:
    """What scored rows come to.

    flagged: rows at or above the review threshold; labelled, frauds: rows of a known label, and of these the
    frauds; recall, precision, average_precision: over the labelled rows, None where they mean nothing.
    """

    scored: int
    flagged: int
    labelled: int
    frauds: int
    recall: float | None
    precision: float | None
    average_precision: float | None


def write_scored(
    frame: pl.DataFrame, scores: npt.NDArray[np.float32], review: float, path: Path
) -> ScoredFigures:
    """Writes a Parquet file with a row for each transaction, and returns its figures.

    frame: canonical columns; scores: float32 [n]; review: threshold from which a row is flagged. Beside the
    ids stand fraud_probability, flagged, and is_fraud and reported_time, null where no label is known.
    """
    flagged = scores >= np.float32(review)
    frame.select(
        *_IDS,
        pl.Series("fraud_probability", scores).cast(pl.Float64),
        pl.Series("flagged", flagged),
        "is_fraud",
        "reported_time",
    ).write_parquet(path)
    known = frame["is_fraud"].is_not_null().to_numpy()
    fraud = frame["is_fraud"].fill_null(value=False).to_numpy()
    caught, frauds = int((flagged & fraud).sum()), int(fraud.sum())
    alerts = int((flagged & known).sum())
    return ScoredFigures(
        scored=len(scores),
        flagged=int(flagged.sum()),
        labelled=int(known.sum()),
        frauds=frauds,
        recall=caught / frauds if frauds else None,
        precision=caught / alerts if alerts else None,
        average_precision=average_precision(fraud[known], scores[known]) if frauds else None,
    )


def told_figures(figures: ScoredFigures) -> list[str]:
    """Returns the figures in words; those of labels only where some are known."""
    lines = [
        f"Scored {counted(figures.scored, 'transaction')}, {figures.flagged:,} of them flagged "
        "(at or above the review threshold)"
    ]
    if figures.labelled:
        shares = {"recall": figures.recall, "precision": figures.precision}
        told = [f"{name} {per_cent(share)}" for name, share in shares.items() if share is not None]
        if figures.average_precision is not None:
            told.append(f"AUC-PR {number(figures.average_precision)}")
        known = f"Labels are known of {figures.labelled:,}, with {counted(figures.frauds, 'fraud')}"
        lines.append(": ".join([known, ", ".join(told)]) if told else known)
    return lines
