"""Every figure of a fold, each as a function of the rows' weights, so that the bootstrap can take them all.

Ranking: AUC ROC, average precision, card precision at k. At the thresholds for REVIEW and DECLINE:
precision, recall, F1, accuracy, recall by value, alerts a day. Probabilities: Brier score, log loss, expected
calibration error (Guo and others, 2017).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kuntur.bundle import Thresholds
from trainer.backtest.card_precision import CardDays
from trainer.backtest.scored import Scored
from trainer.bootstrap import Float64, Weighted, auc_roc, average_precision

BINS = 15  # of equal width, for the calibration error and the reliability table
# The bootstrap of these lies above the figure itself: a resample is always less calibrated than its rows.
WITHOUT_INTERVAL = ("expected_calibration_error",)


def figures(rows: Scored, thresholds: Thresholds, k: int) -> dict[str, Weighted]:
    """Gives the figures by name, in the order in which they are shown."""
    found: dict[str, Weighted] = {
        "auc_roc": auc_roc(rows.label, rows.score),
        "average_precision": average_precision(rows.label, rows.score),
        f"card_precision@{k}": CardDays.of(rows, k),
    }
    for name, threshold in (("review", thresholds.review), ("decline", thresholds.decline)):
        # As it is served: the probability in float32 against the threshold in float32.
        alert = rows.score.astype(np.float32) >= np.float32(threshold)
        found |= {f"{name}_{what}": figure for what, figure in _at_threshold(rows, alert).items()}
    return found | {
        "brier": _mean((rows.score - rows.label) ** 2),
        "log_loss": _mean(_surprise(rows)),
        "expected_calibration_error": _calibration_error(rows),
    }


def reliability(rows: Scored) -> list[dict[str, float]]:
    """Gives, for each bin of probability that has rows, its rows, mean probability and share of fraud."""
    place = _bin(rows.score)
    return [
        {
            "from": number / BINS,
            "to": (number + 1) / BINS,
            "rows": int((place == number).sum()),
            "mean_probability": float(rows.score[place == number].mean()),
            "fraud_share": float(rows.label[place == number].mean()),
        }
        for number in np.unique(place)
    ]


def _at_threshold(rows: Scored, alert: npt.NDArray[np.bool_]) -> dict[str, Weighted]:
    def share(part: npt.NDArray[np.generic], whole: npt.NDArray[np.generic]) -> Weighted:
        above, below = part.astype(np.float64), whole.astype(np.float64)

        def figure(weight: Float64) -> float:
            total = float(np.dot(weight, below))
            return float(np.dot(weight, above)) / total if total > 0 else float("nan")

        return figure

    caught, everything = alert & rows.label, np.ones(len(rows))
    stolen = rows.amount * rows.label

    def alerts(weight: Float64) -> float:
        return float(weight[alert].sum()) / rows.days

    return {
        "precision": share(caught, alert),
        "recall": share(caught, rows.label),
        "f1": share(2.0 * caught, alert.astype(np.float64) + rows.label),
        "accuracy": share(alert == rows.label, everything),
        "recall_by_value": share(stolen * alert, stolen),
        "alerts_per_day": alerts,
    }


def _mean(values: Float64) -> Weighted:
    def figure(weight: Float64) -> float:
        return float(np.dot(weight, values) / weight.sum())

    return figure


def _surprise(rows: Scored) -> Float64:
    said = np.clip(np.where(rows.label, rows.score, 1 - rows.score), 1e-12, 1.0)
    loss: Float64 = -np.log(said)
    return loss


def _bin(probability: Float64) -> npt.NDArray[np.int64]:
    return np.clip((probability * BINS).astype(np.int64), 0, BINS - 1)


def _calibration_error(rows: Scored) -> Weighted:
    place, gap = _bin(rows.score), rows.score - rows.label

    def figure(weight: Float64) -> float:
        by_bin = np.bincount(place, weights=weight * gap, minlength=BINS)
        return float(np.abs(by_bin).sum() / weight.sum())

    return figure
