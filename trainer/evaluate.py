"""How well a model finds fraud. Where its thresholds lie is `trainer.thresholds`'."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from kuntur.bundle import Thresholds
from trainer import bootstrap
from trainer.bootstrap import Interval

Float32 = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]

REPLICATES = 500
_SEED = 23


def average_precision(label: Flags, score: npt.NDArray[np.float32]) -> float:
    """Gives the area under precision over recall, without interpolation; 0 when there is no fraud."""
    return float(average_precision_score(label, score)) if label.any() else 0.0


def figures(
    label: Flags, probability: Float32, amount: npt.NDArray[np.float64], days: float, chosen: Thresholds
) -> dict[str, float]:
    """Gives the figures of the manifest on one window.

    label: bool [n]; probability: float32 [n]; amount: float64 [n], of one currency, 0 for what is in another;
    days: length of the window. Precision, recall, recall by value, F1 and accuracy
    are at the review threshold where nothing else is said.
    """
    alerts = probability >= np.float32(chosen.review)
    declined = probability >= np.float32(chosen.decline)
    caught = alerts & label
    return {
        "rows": float(len(label)),
        "frauds": float(label.sum()),
        "average_precision": average_precision(label, probability),
        "auc_roc": float(roc_auc_score(label, probability)),
        "brier": float(brier_score_loss(label, probability)),
        "log_loss": float(log_loss(label, np.clip(probability.astype(np.float64), 1e-12, 1 - 1e-12))),
        "expected_calibration_error": calibration_error(label, probability),
        "alerts_per_day": float(alerts.sum() / days),
        "declines_per_day": float(declined.sum() / days),
        "precision": float(caught.sum() / max(alerts.sum(), 1)),
        "recall": float(caught.sum() / max(label.sum(), 1)),
        "recall_by_value": float(amount[caught].sum() / max(amount[label].sum(), 1e-9)),
        "f1": _f1(label, alerts),
        "accuracy": float((alerts == label).mean()),
        "decline_precision": float((declined & label).sum() / max(declined.sum(), 1)),
        "decline_recall": float((declined & label).sum() / max(label.sum(), 1)),
        "decline_f1": _f1(label, declined),
        "decline_accuracy": float((declined == label).mean()),
    }


def intervals(
    label: Flags,
    probability: Float32,
    amount: npt.NDArray[np.float64],
    chosen: Thresholds,
    account: npt.NDArray[np.int64],
    replicates: int = REPLICATES,
) -> dict[str, Interval]:
    """Gives the intervals of the figures that models are compared by, under their names in `figures`.

    account: int64 [n]. The bootstrap draws accounts; at the review threshold but for the first two.
    """
    alert = (probability >= np.float32(chosen.review)).astype(np.float32)
    drawn = {
        "average_precision": bootstrap.average_precision(label, probability),
        "auc_roc": bootstrap.auc_roc(label, probability),
        "recall": bootstrap.value_recall(np.ones(len(label)))(label, alert),
        "recall_by_value": bootstrap.value_recall(amount)(label, alert),
    }
    found = bootstrap.replicates(list(drawn.values()), account, replicates, _SEED)
    whole = np.ones(len(label))
    return {
        name: Interval.of(figure(whole), found[:, place])
        for place, (name, figure) in enumerate(drawn.items())
    }


def _f1(label: Flags, alerts: Flags) -> float:
    return float(2 * (alerts & label).sum() / max(int(alerts.sum() + label.sum()), 1))


def calibration_error(label: Flags, probability: Float32, bins: int = 15) -> float:
    """Gives the expected calibration error over bins of equal width (Guo and others, 2017)."""
    place = np.minimum((probability * bins).astype(np.int64), bins - 1)
    count = np.bincount(place, minlength=bins)
    gap = np.bincount(place, weights=probability.astype(np.float64) - label, minlength=bins)
    return float(np.abs(gap).sum() / max(count.sum(), 1))
