"""Parts that hold figures: the search, the evaluation on the test window, drift."""

from __future__ import annotations

from typing import Any

from trainer.card.schema.part import Part, Scalars

Figures = dict[str, float | None]


class Trial(Part):
    """A setting that was tried."""

    number: int
    """Its place in the list, from 1."""
    parameters: Scalars
    """The setting."""
    average_precision: float | None
    """What it reached on the selection rows; null when it failed before."""
    chosen: bool
    """Whether it is the one that was fitted."""
    figures: dict[str, Any]
    """Whatever else the search tells of it."""


class Search(Part):
    """The search for a setting."""

    trials: tuple[Trial, ...]
    """Every trial."""
    in_order: bool
    """Whether they stand in the order of starting; else as the search told them."""
    choice: str
    """Why the chosen one was chosen; empty when the search does not say."""


class Interval(Part):
    """A figure with its bootstrap interval."""

    value: float | None
    """The figure."""
    low: float | None
    """Lower end."""
    high: float | None
    """Upper end."""


class Threshold(Part):
    """Probabilities at which the advice changes."""

    review: float
    """At or above: REVIEW."""
    decline: float
    """At or above: DECLINE."""
    rationale: str
    """Why there."""


class Curves(Part):
    """Points of the curves on the test window, thinned."""

    days: float
    """Length of the window."""
    currency: str
    """Of the money in `recall_by_value`."""
    operating: tuple[dict[str, float], ...]
    """threshold, alerts_per_day, precision, recall, recall_by_value; threshold falling."""
    reliability: tuple[dict[str, float], ...]
    """low, high, rows, frauds, predicted (mean), observed (share), observed_low, observed_high (95 %)."""


class Evaluation(Part):
    """How well it finds fraud on the test window."""

    metrics: Figures
    """Figures by name."""
    intervals: dict[str, Interval] | None
    """Bootstrap intervals by name of the figure."""
    interval_note: str
    """How they were made, and which figures have none and why."""
    thresholds: Threshold
    """Where the advice changes."""
    curves: Curves | None
    """For the plots."""
    segments: tuple[dict[str, Any], ...] | None
    """dimension (such as channel), value, and figures; with _low and _high, the ends of their intervals."""


class DriftBin(Part):
    """A part of a feature's values."""

    label: str
    """Which."""
    training: float | None
    """Share of the training rows."""
    test: float | None
    """Share of the test rows."""


class Drift(Part):
    """How far a feature moved between training and test."""

    name: str
    """Which feature."""
    psi: float | None
    """Population stability index."""
    bins: tuple[DriftBin, ...]
    """What it is computed from."""
