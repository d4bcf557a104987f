"""What each figure of a test means, said once, as a function of the rows' weights.

Weights let the bootstrap (`trainer.evaluation.bootstrap`) resample any figure; with every weight 1 it is the
figure of the rows as they are. Ranking: AUC ROC, average precision. At a threshold: precision, recall, F1,
accuracy, recall by value, alerts a day. Probabilities: Brier score, log loss, expected calibration error. By
which names they are known is left to `trainer.evaluation.evaluate` and `trainer.backtest.figures.metrics`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from trainer.evaluation.bootstrap import Flags, Float64, Weighted, auc_roc, average_precision

CALIBRATION_BINS = 15  # of equal width
# The bootstrap of these lies above the figure itself: a resample is always less calibrated than its rows.
WITHOUT_INTERVAL = ("expected_calibration_error",)


def of_ranking(label: Flags, score: npt.NDArray[np.floating]) -> dict[str, Weighted]:
    """Returns what takes no threshold. label: bool [n]; score: any float [n], higher for likelier fraud."""
    return {"auc_roc": auc_roc(label, score), "average_precision": average_precision(label, score)}


def at_threshold(label: Flags, alert: Flags, amount: Float64, days: float) -> dict[str, Weighted]:
    """Returns what a threshold comes to; a share of nothing, such as precision without an alert, is NaN.

    label: bool [n]; alert: bool [n], rows that reach the threshold; amount: float64 [n], of one currency, 0
    for what is in another; days: length of the test.
    """
    caught, stolen = alert & label, np.where(label, amount, 0.0)
    return {
        "precision": _share(caught, alert),
        "recall": _share(caught, label),
        "f1": _share(2.0 * caught, alert.astype(np.float64) + label),
        "accuracy": _share_without(alert != label),
        "recall_by_value": _share(np.where(alert, stolen, 0.0), stolen),
        "alerts_per_day": per_day(alert.astype(np.float64), days),
    }


def of_probabilities(label: Flags, probability: npt.NDArray[np.floating]) -> dict[str, Weighted]:
    """Returns how far probabilities are off. label: bool [n]; probability: any float [n], from 0 to 1."""
    exact = probability.astype(np.float64)
    said = np.clip(np.where(label, exact, 1 - exact), 1e-12, 1.0)
    return {
        "brier": _mean((exact - label) ** 2),
        "log_loss": _mean(-np.log(said)),
        "expected_calibration_error": calibration_error(label, exact),
    }


def calibration_error(
    label: Flags, probability: npt.NDArray[np.floating], bins: int = CALIBRATION_BINS
) -> Weighted:
    """Returns the expected calibration error over bins of equal width (Guo and others, 2017)."""
    place, gap = calibration_bin(probability, bins), probability.astype(np.float64) - label

    def figure(weight: Float64) -> float:
        by_bin = np.bincount(place, weights=weight * gap, minlength=bins)
        return _over(float(np.abs(by_bin).sum()), float(weight.sum()))

    return figure


def calibration_bin(
    probability: npt.NDArray[np.floating], bins: int = CALIBRATION_BINS
) -> npt.NDArray[np.int64]:
    """Returns the bin of each probability, int64 [n]; certainty belongs to the last one."""
    # In double precision, so that float32 and doubles of the same probability share a bin.
    return np.clip((probability.astype(np.float64) * bins).astype(np.int64), 0, bins - 1)


def per_day(values: Float64, days: float) -> Weighted:
    """Returns the sum of values over the days. values: float64 [n], such as costs, or 1 to count."""
    rows = np.flatnonzero(values)
    kept = values[rows]

    def figure(weight: Float64) -> float:
        return _sum(weight[rows], kept) / days

    return figure


def _share(part: npt.NDArray[np.generic], whole: npt.NDArray[np.generic]) -> Weighted:
    """Returns the sum of a part over that of the whole. part: [n], 0 wherever the whole, [n], is."""
    # Alerts and frauds are few: a replicate looks at their rows only.
    rows = np.flatnonzero(whole)
    above, below = part[rows].astype(np.float64), whole[rows].astype(np.float64)

    def figure(weight: Float64) -> float:
        drawn = weight[rows]
        return _over(_sum(drawn, above), _sum(drawn, below))

    return figure


def _share_without(left: Flags) -> Weighted:
    """Returns the share of the rows that are not left out."""
    rows = np.flatnonzero(left)

    def figure(weight: Float64) -> float:
        total = float(weight.sum())
        return _over(total - float(weight[rows].sum()), total)

    return figure


def _mean(values: Float64) -> Weighted:
    def figure(weight: Float64) -> float:
        return _over(_sum(weight, values), float(weight.sum()))

    return figure


def _sum(weight: Float64, values: Float64) -> float:
    # Not np.dot: from 10,000 rows on BLAS splits it among threads that wait for each other on a busy machine
    # (200 replicates of 60,000 rows in 1 to 3 s instead of 0.1), and the last digits go by their number.
    return float((weight * values).sum())


def _over(part: float, whole: float) -> float:
    return part / whole if whole > 0 else float("nan")
