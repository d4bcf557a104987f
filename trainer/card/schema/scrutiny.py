"""Parts that hold the figures against something: other windows, simple rules, what was observed."""

from __future__ import annotations

from trainer.card.schema.figures import Interval
from trainer.card.schema.part import Part


class Fold(Part):
    """The same run as it would have been some test windows earlier, with a model of its own."""

    back: int
    """Test windows before the run's own."""
    test_start: str
    """Start of its test, ISO 8601 in UTC."""
    test_end: str
    """Its end, exclusive."""
    rows: int
    """Transactions of its test."""
    frauds: int
    """Frauds among them."""
    learnt_from: int
    """Transactions that its fit took."""
    figures: dict[str, Interval]
    """Figures by name, by the names of `metrics`."""


class Spread(Part):
    """A figure over the folds, and where the test window stands in it."""

    mean: float | None
    """Mean of the folds."""
    deviation: float | None
    """Standard deviation of a sample; null with one fold."""
    least: float | None
    """Least of the folds."""
    most: float | None
    """Most of the folds."""
    test: float | None
    """That of the test window."""
    distance: float | None
    """Its distance from the mean in standard deviations; null with fewer than three folds."""


class Folds(Part):
    """The recipe on earlier windows."""

    folds: tuple[Fold, ...]
    """The newest first."""
    missing: str
    """Why there are no more; empty where all that were asked for are there."""
    spread: dict[str, Spread]
    """By figure; empty without a fold."""


class Contender(Part):
    """The model, or something simple beside it."""

    name: str
    """What it is called."""
    text: str
    """What it is."""
    figures: dict[str, Interval]
    """Figures on the test window, by the names of `metrics`."""
    gain: Interval | None
    """By how much the model's average precision is above; null for the model."""
    value_gain: Interval | None
    """By how much the model's share of stolen money is above, in as many alerts as the budget has."""


class Benchmark(Part):
    """Simple means on the same test window."""

    contenders: tuple[Contender, ...]
    """The model first."""
    fraud_share: float
    """Share of fraud: the average precision of chance."""


class ReliabilityBin(Part):
    """Transactions of like probability."""

    low: float
    """Least probability in it."""
    high: float
    """Largest."""
    rows: int
    """Transactions."""
    frauds: int
    """Frauds among them."""
    predicted: float
    """Mean probability."""
    observed: float
    """Share of fraud."""
    observed_low: float
    """Lower end of its interval."""
    observed_high: float
    """Upper end."""
    holds: bool
    """Whether the mean probability lies within the interval."""


class Recalibration(Part):
    """What would correct the probabilities."""

    expected: float
    """Frauds by the probabilities."""
    observed: int
    """Frauds."""
    ratio: Interval
    """Observed by expected."""
    slope: Interval | None
    """By what the log-odds would have to be multiplied; null with too few frauds."""
    intercept: Interval | None
    """What would have to be added to the log-odds, with the slope held at 1; null with too few frauds."""


class CalibrationInParts(Part):
    """Whether probabilities hold in each part."""

    by_rows: tuple[ReliabilityBin, ...]
    """Bins of as many transactions each."""
    by_expected_frauds: tuple[ReliabilityBin, ...]
    """Bins that each expect as many frauds."""
    around: dict[str, ReliabilityBin | None]
    """Transactions with half to twice the odds of each threshold; null where there is none."""
    recalibration: Recalibration
    """Slope, intercept, and the whole."""
