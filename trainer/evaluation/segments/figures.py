"""Figures of every segment, each with an interval that does not collapse where it is small.

A model that is good on the whole may fail the customers of one bank or one channel. What a segment's figures
mean for publishing is left to the gate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from trainer.evaluation.bootstrap import Interval
from trainer.evaluation.evaluate import average_precision
from trainer.evaluation.proportion import effective_number, share_interval, wilson
from trainer.evaluation.segments.columns import OF_FRAUDS
from trainer.evaluation.segments.segment import Flags, Segment

# A segment is large enough to be judged from so many frauds on, and so large a share of the rows. Below,
# average precision jumps by more than models differ.
LARGE_FRAUDS = 30
LARGE_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class SegmentFigures:
    """How a model does on the rows of one name of one segment.

    share: of all rows; alerts: rows that reach the review threshold; recall: of the frauds that do;
    precision: of the alerts that are frauds; each with the ends of its interval, by `share_interval`, and
    None where it is a share of nothing. That of average precision takes it for a share of the frauds'
    accounts (Boyd, Eng and Page, 2013, compare it with others). alert_share: of the rows; large: whether
    there is enough to judge by.
    """

    segment: str
    name: str
    rows: int
    share: float
    frauds: int
    average_precision: float | None
    average_precision_low: float | None
    average_precision_high: float | None
    recall: float | None
    recall_low: float | None
    recall_high: float | None
    precision: float | None
    precision_low: float | None
    precision_high: float | None
    alerts: int
    alert_share: float
    large: bool

    def document(self) -> dict[str, Any]:
        """Returns it ready for JSON."""
        return asdict(self)


def segment_figures(
    label: Flags,
    probability: npt.NDArray[np.float32],
    review: float,
    segments: Mapping[str, Segment],
    account: npt.NDArray[np.int64] | None = None,
) -> tuple[SegmentFigures, ...]:
    """Returns the figures of every segment that has rows, by segment, then by its names.

    Kinds of fraud have none, since rows that are no fraud have no kind.

    label: bool [n]; probability: float32 [n]; review: the threshold; account: int64 [n], without which each
    row counts as of an account of its own.
    """
    account = np.arange(len(label), dtype=np.int64) if account is None else account
    found = []
    for kind, segment in segments.items():
        for name in () if kind == OF_FRAUDS else segment.names:
            rows = segment.of(name)
            if rows.any():
                found.append(
                    _figures(kind, name, label[rows], probability[rows], review, account[rows], len(label))
                )
    return tuple(found)


def is_large(rows: int, frauds: int, all_rows: int) -> bool:
    """Tells whether a segment has enough rows and frauds to be judged."""
    return frauds >= LARGE_FRAUDS and frauds < rows and rows >= LARGE_SHARE * all_rows


def _figures(
    kind: str,
    name: str,
    label: Flags,
    probability: npt.NDArray[np.float32],
    review: float,
    account: npt.NDArray[np.int64],
    all_rows: int,
) -> SegmentFigures:
    frauds, alerts = int(label.sum()), probability >= np.float32(review)
    precision = Interval(float("nan"), float("nan"), float("nan"))
    if frauds:
        area = average_precision(label, probability)
        precision = Interval(area, *wilson(area, effective_number(label, account)))
    shares = {
        "average_precision": precision,
        "recall": share_interval(alerts & label, label, account),
        "precision": share_interval(alerts & label, alerts, account),
    }
    ends: dict[str, float | None] = {}
    for figure, interval in shares.items():
        for end, value in (("", interval.value), ("_low", interval.low), ("_high", interval.high)):
            ends[figure + end] = None if np.isnan(value) else value
    return SegmentFigures(
        segment=kind,
        name=name,
        rows=len(label),
        share=len(label) / all_rows,
        frauds=frauds,
        alerts=int(alerts.sum()),
        alert_share=float(alerts.mean()),
        large=is_large(len(label), frauds, all_rows),
        **ends,
    )
