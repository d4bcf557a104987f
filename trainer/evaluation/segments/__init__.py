"""Figures by segment: channel, type, institution, amount, merchant category and country, account."""

from trainer.evaluation.segments.columns import JUDGED, OF_CUSTOMERS, OF_FRAUDS, segment_columns
from trainer.evaluation.segments.figures import SegmentFigures, is_large, segment_figures
from trainer.evaluation.segments.segment import OTHER, Segment

__all__ = [
    "JUDGED",
    "OF_CUSTOMERS",
    "OF_FRAUDS",
    "OTHER",
    "Segment",
    "SegmentFigures",
    "is_large",
    "segment_columns",
    "segment_figures",
]
