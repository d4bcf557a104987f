"""Parts about the model's life: what mattered in its forerunners, what to watch, when it has to go."""

from __future__ import annotations

from trainer.card.schema.part import Part


class Weight(Part):
    """A feature of a model."""

    name: str
    """Its name."""
    importance: float
    """Its weight."""


class Version(Part):
    """A version of the registry."""

    version: str
    """Its name; empty for the model of this document."""
    algorithm: str
    """Kind of estimator."""
    role: str
    """champion or challenger when it was published; empty for the model of this document."""
    validation_end: str
    """End of its test window, ISO 8601."""
    features: tuple[Weight, ...]
    """Its inputs, the most important first."""
    kept: int | None
    """How many of its ten most important features were so in the version before; null for the first."""


class ImportanceHistory(Part):
    """Importance over the versions of the registry."""

    versions: tuple[Version, ...]
    """The oldest first, the model itself last."""
    unread: tuple[str, ...]
    """Versions that were left out, with the reason."""


class Watch(Part):
    """Something to watch."""

    what: str
    """What."""
    measure: str
    """With what."""
    expected: str
    """What it was on the test window."""
    limit: str
    """Beyond what somebody acts."""
    every: str
    """How often it is looked at."""
    action: str
    """What is done then."""


class Monitoring(Part):
    """The plan for the model's life."""

    who: str
    """Who acts; empty when not named."""
    review_by: str
    """Day of the next validation at the latest, ISO 8601."""
    retire_by: str
    """Day from which it is not to serve any more, ISO 8601."""
    watches: tuple[Watch, ...]
    """What is watched."""
    retire_when: tuple[str, ...]
    """What ends its use before."""
