"""The document as a whole, and the gates that stood before its publication."""

from __future__ import annotations

from typing import Any, Literal

from trainer.card.schema.figures import Drift, Evaluation, Search
from trainer.card.schema.fits import Fits
from trainer.card.schema.inputs import Data, FeatureEntry, PersonalData
from trainer.card.schema.known_accounts import KnownAccounts
from trainer.card.schema.model import Changes, Model, Verdict
from trainer.card.schema.part import Part
from trainer.card.schema.scrutiny import Benchmark, CalibrationInParts, Folds
from trainer.card.schema.use import ImportanceHistory, Monitoring
from trainer.card.schema.weaknesses import Fairness, Misses, Sensitivity


class Gates(Part):
    """What had to hold before it was published."""

    calibration: dict[str, Any] | None
    """How scores become probabilities."""
    parity: dict[str, Any] | None
    """What the export gate found."""
    leakage: dict[str, Any] | None
    """What the leakage check found."""
    traces: tuple[str, ...]
    """What was let pass against a check."""


class Validation(Part):
    """What a validator asks beyond the figures of the test window."""

    interval_note: str
    """How the intervals of shares in it were made."""
    folds: Folds
    """The recipe on earlier windows, beside the one test window."""
    benchmark: Benchmark
    """What simple means find on the test window."""
    misses: Misses
    """Frauds below the review threshold, and why they may be there."""
    calibration: CalibrationInParts
    """Whether probabilities hold in each part, not only in the mean."""
    sensitivity: Sensitivity
    """How the figures move when something else does."""
    fairness: Fairness
    """How customers fare, by what is known of them."""
    importance_history: ImportanceHistory
    """What mattered most in earlier versions of the registry."""
    monitoring: Monitoring
    """What to watch, and when the model has to go."""


class ValidationDocument(Part):
    """Everything that a validator asks of a model."""

    format_version: Literal[1] = 1
    """Version of this form."""
    model: Model
    """What it is."""
    verdict: Verdict | None
    """Champion against challenger; null where none was live."""
    changes: Changes | None
    """Against the model that was live."""
    data: Data
    """What it learnt from."""
    fits: Fits
    """The fit that was judged beside the one that is served."""
    features: tuple[FeatureEntry, ...]
    """Its inputs, the most important first."""
    personal_data: PersonalData
    """Classes of personal data."""
    search: Search | None
    """Every trial, and why one was chosen."""
    evaluation: Evaluation
    """How well it finds fraud."""
    known_accounts: KnownAccounts | None
    """Figures with and without accounts already known to be compromised; null where a run did not look."""
    validation: Validation | None
    """What a validator asks beyond that."""
    drift: tuple[Drift, ...] | None
    """Feature by feature, the worst first."""
    gates: Gates
    """What had to hold."""
