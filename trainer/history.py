"""History replayed: transactions with the features that serving them in this order gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from kuntur.features import FeatureEngine, FeatureMatrix
from kuntur.tables import to_batch, to_outcomes
from kuntur.transaction import IntColumn

# Together these name a transaction.
NAME = ["institution_id", "transaction_id"]


@dataclass(frozen=True, slots=True)
class Replayed:
    """Transactions in event order with the features that serving them in this order gives.

    ids: institution_id and transaction_id, which together name a transaction; features: float32
    [n, catalogue]; attributes: by name, float64 [n]; amount: float64 [n], currency units; is_fraud: bool
    [n], False where no label is known.
    """

    ids: pl.DataFrame
    features: FeatureMatrix
    attributes: dict[str, npt.NDArray[np.float64]]
    amount: npt.NDArray[np.float64]
    is_fraud: npt.NDArray[np.bool_]


def replay(
    frame: pl.DataFrame, secret: npt.NDArray[np.uint64], progress: Callable[[int], None] | None = None
) -> Replayed:
    """Replays canonical rows in event order with their outcomes, each from the hour after its report on."""
    batch = to_batch(frame, secret)
    outcomes, _ = to_outcomes(frame, batch.keys)
    return Replayed(
        frame.select(NAME),
        FeatureEngine().replay(batch, outcomes, progress),
        batch.attributes,
        batch.ints[:, IntColumn.AMOUNT_CENTS] / 100.0,
        frame["is_fraud"].fill_null(value=False).to_numpy(),
    )
