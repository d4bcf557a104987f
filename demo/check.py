"""What the served scores are worth: equal to an offline replay, and how much fraud each model finds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from kuntur.bundle import read_bundle
from kuntur.features import FeatureEngine, FeatureMatrix, FeatureSelection
from kuntur.identity import DEFAULT_HASH_KEY, secret_from_hex
from kuntur.tables import Table, to_batch, to_outcomes
from trainer.evaluate import figures
from trainer.export.parity import run, session

_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Offline:
    """All transactions of the demonstration with the features that serving them in order gives."""

    features: FeatureMatrix
    transaction_id: pl.Series
    amount: npt.NDArray[np.float64]
    is_fraud: npt.NDArray[np.bool_]


def replay(table: Table) -> Offline:
    """Replays a table with its outcomes."""
    batch = to_batch(table.frame, secret_from_hex(DEFAULT_HASH_KEY))
    outcomes, _ = to_outcomes(table.frame, batch.keys)
    return Offline(
        FeatureEngine().replay(batch, outcomes),
        table.frame["transaction_id"],
        batch.ints[:, 1] / 100.0,
        table.frame["is_fraud"].fill_null(value=False).to_numpy(),
    )


def offline_scores(registry: Path, version: str, offline: Offline) -> npt.NDArray[np.float32]:
    """Gives the scores of a published model for all rows, float32 [n]."""
    bundle = read_bundle(registry / version)
    chosen = FeatureSelection(bundle.manifest.feature_names).take(offline.features, {})
    return run(session(bundle.model), chosen)


def differing(scored: pl.DataFrame, offline: Offline, scores: dict[str, npt.NDArray[np.float32]]) -> int:
    """Counts served scores that are not, bit for bit, those of the model that they name."""
    place = pl.DataFrame({"transaction_id": offline.transaction_id}).with_row_index("place")
    joined = scored.join(place, on="transaction_id", how="left", maintain_order="left")
    differences = 0
    for version, values in scores.items():
        part = joined.filter(pl.col("model_version") == version)
        served = part["fraud_probability"].to_numpy()
        differences += int((served != values[part["place"].to_numpy()].astype(np.float64)).sum())
    return differences + joined.filter(~pl.col("model_version").is_in(list(scores))).height


def detection(
    registry: Path,
    version: str,
    rows: npt.NDArray[np.bool_],
    span: tuple[datetime, datetime],
    offline: Offline,
    scores: npt.NDArray[np.float32],
) -> dict[str, float]:
    """Gives a model's figures on some rows, at its own thresholds, against what the rows really were."""
    days = (span[1] - span[0]).total_seconds() / _DAY_S
    thresholds = read_bundle(registry / version).manifest.thresholds
    return figures(offline.is_fraud[rows], scores[rows], offline.amount[rows], days, thresholds)
