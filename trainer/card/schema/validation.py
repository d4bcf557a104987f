"""The document as a whole, and the gates that stood before its publication."""

from __future__ import annotations

from typing import Any, Literal

from trainer.card.schema.figures import Drift, Evaluation, Search
from trainer.card.schema.fits import Fits
from trainer.card.schema.inputs import Data, FeatureEntry, PersonalData
from trainer.card.schema.known_accounts import KnownAccounts
from trainer.card.schema.model import Changes, Model, Verdict
from trainer.card.schema.part import Part


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
    drift: tuple[Drift, ...] | None
    """Feature by feature, the worst first."""
    gates: Gates
    """What had to hold."""
