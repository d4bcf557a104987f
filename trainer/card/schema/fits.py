"""The part about the two fits of a recipe: the one that was judged and the one that is served."""

from __future__ import annotations

from typing import Any

from trainer.card.schema.figures import Threshold
from trainer.card.schema.part import Part


class Fit(Part):
    """One fit. Times are ISO 8601 in UTC, ends exclusive."""

    train_start_time: str
    """First transaction that it learnt from."""
    train_end_time: str
    """End of the transactions that it learnt from."""
    thresholds: Threshold
    """Where its advice changes."""
    calibration: dict[str, Any] | None
    """How its scores become probabilities."""


class Fits(Part):
    """Which fit the figures are of, and which one is served."""

    same: bool
    """Whether the fit that was judged is the one that is served."""
    judged: Fit
    """The one that every figure of the document is of, but for importance, reasons and parity."""
    served: Fit
    """The one in the bundle's `model.onnx`."""
    labels_time: str | None
    """Moment whose knowledge the labels of the served fit are; null where it is the judged one."""
    rows: int | None
    """Transactions that the served fit learnt from; null likewise."""
    frauds: int | None
    """Known frauds among them; null likewise."""
    held_out_start_time: str | None
    """Start of its newest days that a first fit left out, to settle calibration and thresholds; null
    likewise."""
    text: str
    """All of it in words."""
