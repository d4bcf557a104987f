"""How much fraud each model of the demonstration finds."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kuntur.bundle.bundle import read_manifest
from trainer.dataset.history import Replayed
from trainer.evaluation.evaluate import figures

_DAY_S = 86_400


def detection(
    bundle: Path,
    rows: npt.NDArray[np.bool_],
    span: tuple[datetime, datetime],
    replayed: Replayed,
    scores: npt.NDArray[np.float32],
) -> dict[str, float]:
    """Returns a model's figures on some rows, at its own thresholds, against what the rows really were."""
    days = (span[1] - span[0]).total_seconds() / _DAY_S
    thresholds = read_manifest(bundle).thresholds
    return figures(replayed.is_fraud[rows], scores[rows], replayed.amount[rows], days, thresholds)
