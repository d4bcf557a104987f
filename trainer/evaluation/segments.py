"""Figures by segment: channel, type of transaction, institution.

A model that is good on the whole may fail the customers of one bank or one channel. What a segment's figures
mean for publishing is left to the gate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from kuntur.transaction import Channel, TransactionType
from trainer.evaluation.evaluate import average_precision

Flags = npt.NDArray[np.bool_]

# A segment is large enough to be judged from so many frauds on, and so large a share of the rows. Below,
# average precision jumps by more than models differ.
LARGE_FRAUDS = 30
LARGE_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Segment:
    """What each row belongs to, such as its channel.

    code: int32 [n], number of the row's name; names: those that occur, in a fixed order.
    """

    code: npt.NDArray[np.int32]
    names: tuple[str, ...]

    def rows(self, chosen: slice | npt.NDArray[Any]) -> Segment:
        """Returns some of the rows."""
        return Segment(self.code[chosen], self.names)

    def of(self, name: str) -> Flags:
        """Tells which rows belong to a name, bool [n]."""
        member: Flags = self.code == self.names.index(name)
        return member


@dataclass(frozen=True, slots=True)
class SegmentFigures:
    """How a model does on the rows of one name of one segment.

    share: of all rows; alert_share: of the segment's rows that reach the review threshold; recall: of its
    frauds that do; average_precision and recall are None without a fraud; large: whether there is enough to
    judge by.
    """

    segment: str
    name: str
    rows: int
    share: float
    frauds: int
    average_precision: float | None
    recall: float | None
    alert_share: float
    large: bool

    def document(self) -> dict[str, Any]:
        """Returns it ready for JSON."""
        return asdict(self)


def segment_columns(frame: pl.DataFrame) -> dict[str, Segment]:
    """Returns the segments of a canonical table by name: channel, type, institution."""
    return {
        "channel": _of_numbers(frame["channel"].to_numpy(), {kind.value: kind.name for kind in Channel}),
        "type": _of_numbers(frame["type"].to_numpy(), {kind.value: kind.name for kind in TransactionType}),
        "institution": _of_text(frame["institution_id"]),
    }


def segment_figures(
    label: Flags, probability: npt.NDArray[np.float32], review: float, segments: Mapping[str, Segment]
) -> tuple[SegmentFigures, ...]:
    """Returns the figures of every segment that has rows, by segment, then by its names.

    label: bool [n]; probability: float32 [n]; review: the threshold.
    """
    found = []
    for kind, segment in segments.items():
        for name in segment.names:
            rows = segment.of(name)
            if rows.any():
                found.append(_figures(kind, name, label[rows], probability[rows], review, len(label)))
    return tuple(found)


def is_large(rows: int, frauds: int, all_rows: int) -> bool:
    """Tells whether a segment has enough rows and frauds to be judged."""
    return frauds >= LARGE_FRAUDS and frauds < rows and rows >= LARGE_SHARE * all_rows


def _figures(
    kind: str, name: str, label: Flags, probability: npt.NDArray[np.float32], review: float, all_rows: int
) -> SegmentFigures:
    frauds, alerts = int(label.sum()), probability >= np.float32(review)
    return SegmentFigures(
        segment=kind,
        name=name,
        rows=len(label),
        share=len(label) / all_rows,
        frauds=frauds,
        average_precision=average_precision(label, probability) if frauds else None,
        recall=float((alerts & label).sum() / frauds) if frauds else None,
        alert_share=float(alerts.mean()),
        large=is_large(len(label), frauds, all_rows),
    )


def _of_numbers(values: npt.NDArray[Any], names: Mapping[int, str]) -> Segment:
    found, code = np.unique(values, return_inverse=True)
    return Segment(code.astype(np.int32), tuple(names[int(value)] for value in found))


def _of_text(values: pl.Series) -> Segment:
    names = values.unique().sort()
    places = pl.int_range(len(names), dtype=pl.Int32, eager=True)
    code = values.replace_strict(names, places, return_dtype=pl.Int32) if len(values) else places
    return Segment(code.to_numpy(), tuple(name or "(none)" for name in names))
