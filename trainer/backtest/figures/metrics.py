"""Every figure of a fold, under the names of a backtest. What they mean is `trainer.evaluation.figures`'.

Card precision at k is the backtest's own (`card_precision`).
"""

from __future__ import annotations

import numpy as np

from kuntur.bundle.bundle import Thresholds
from trainer.backtest.figures.card_precision import CardDays
from trainer.backtest.figures.scored import Scored
from trainer.evaluation.bootstrap import Weighted
from trainer.evaluation.figures import (
    CALIBRATION_BINS,
    at_threshold,
    calibration_bin,
    of_probabilities,
    of_ranking,
)


def figures(rows: Scored, thresholds: Thresholds, k: int) -> dict[str, Weighted]:
    """Returns the figures by name, in the order in which they are shown."""
    found = of_ranking(rows.label, rows.score) | {f"card_precision@{k}": CardDays.of(rows, k)}
    for name, threshold in (("review", thresholds.review), ("decline", thresholds.decline)):
        # As it is served: the probability in float32 against the threshold in float32.
        alert = rows.score.astype(np.float32) >= np.float32(threshold)
        taken = at_threshold(rows.label, alert, rows.amount, rows.days)
        found |= {f"{name}_{what}": figure for what, figure in taken.items()}
    return found | of_probabilities(rows.label, rows.score)


def reliability(rows: Scored) -> list[dict[str, float]]:
    """Returns, for each bin of probability that has rows, its rows, mean probability and share of fraud."""
    place = calibration_bin(rows.score)
    return [
        {
            "from": number / CALIBRATION_BINS,
            "to": (number + 1) / CALIBRATION_BINS,
            "rows": int((place == number).sum()),
            "mean_probability": float(rows.score[place == number].mean()),
            "fraud_share": float(rows.label[place == number].mean()),
        }
        for number in np.unique(place)
    ]
