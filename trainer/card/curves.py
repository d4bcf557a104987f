"""The points of the curves of a model card: precision, recall and alerts by threshold, and reliability.

Every point is at a real threshold, equal scores taken together; points are thinned, never smoothed.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from trainer.card.evidence import TestWindow
from trainer.evaluation.proportion import wilson

_POINTS = 160
# Finer where fraud scores lie: at a fraud share below one in a hundred, tenths would hold one bin of rows.
_RELIABILITY_EDGES = (0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 1)

Point = dict[str, float]


def operating_points(test: TestWindow, thresholds: tuple[float, ...] = ()) -> list[Point]:
    """Returns threshold, alerts_per_day, precision, recall and recall_by_value, the threshold falling.

    thresholds: whose points are not thinned out. Without fraud there is no recall and the list is empty.
    """
    label, probability = test.label, test.probability
    if not label.any():
        return []
    order = np.argsort(-probability, kind="stable")
    ordered = probability[order]
    ends = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
    caught = np.cumsum(label[order])[ends]
    saved = np.cumsum(np.where(label[order], test.amount[order], 0.0))[ends]
    value = max(float(saved[-1]), 1e-9)
    kept = set(_thinned(caught / caught[-1], ends + 1))
    for threshold in thresholds:
        raised = int((probability >= np.float32(threshold)).sum())
        kept |= {int(np.searchsorted(ends, raised - 1))} if raised else set()
    points = []
    for place in sorted(kept):
        alerts = int(ends[place]) + 1
        points.append(
            {
                "threshold": float(ordered[ends[place]]),
                "alerts_per_day": _short(alerts / test.days),
                "precision": _short(caught[place] / alerts),
                "recall": _short(caught[place] / caught[-1]),
                "recall_by_value": _short(saved[place] / value),
            }
        )
    return points


def _thinned(recall: npt.NDArray[np.float64], alerts: npt.NDArray[np.intp]) -> list[int]:
    """Chooses points even in recall and in the logarithm of alerts: one plot is over each."""
    by_recall = np.searchsorted(recall, np.linspace(0, 1, _POINTS // 2))
    by_alerts = np.searchsorted(alerts, np.geomspace(1, alerts[-1], _POINTS // 2))
    last = len(recall) - 1
    return sorted({min(int(place), last) for place in (*by_recall, *by_alerts, 0, last)})


def reliability(test: TestWindow) -> list[Point]:
    """Returns, by bin of probability that holds rows, the mean prediction and the observed share of fraud.

    The interval of the observed share is Wilson's (1927) at 95 %, on the number of rows.
    """
    edges = np.array(_RELIABILITY_EDGES)
    place = np.clip(np.searchsorted(edges, test.probability, side="right") - 1, 0, len(edges) - 2)
    rows = np.bincount(place, minlength=len(edges) - 1)
    frauds = np.bincount(place, weights=test.label, minlength=len(edges) - 1)
    predicted = np.bincount(place, weights=test.probability.astype(np.float64), minlength=len(edges) - 1)
    points = []
    for bin_ in np.flatnonzero(rows):
        low, high = wilson(float(frauds[bin_] / rows[bin_]), float(rows[bin_]))
        points.append(
            {
                "low": float(edges[bin_]),
                "high": float(edges[bin_ + 1]),
                "rows": float(rows[bin_]),
                "frauds": float(frauds[bin_]),
                "predicted": _short(predicted[bin_] / rows[bin_]),
                "observed": _short(frauds[bin_] / rows[bin_]),
                "observed_low": _short(low),
                "observed_high": _short(high),
            }
        )
    return points


def _short(value: float) -> float:
    return float(f"{float(value):.6g}")
