"""Parts about the model itself: what it is, and how it stands against the one that was live."""

from __future__ import annotations

from typing import Any

from trainer.card.schema.part import Part, Scalars


class Model(Part):
    """What the model is and who answers for it."""

    version: str
    """Name of the bundle."""
    algorithm: str
    """Kind of estimator."""
    parameters: Scalars
    """Settings of the estimator and of its training."""
    features: int
    """Number of inputs."""
    purpose: str
    """What it is for."""
    limits: str
    """What it is not for."""
    owner: str
    """Who answers for it; empty when not named."""
    approver: str
    """Who is to sign; empty when not named."""
    contact: str
    """Where questions go; empty when not named."""
    rollback_target: str | None
    """Version to go back to; null when none was live."""
    latency_us_per_row: float | None
    """Microseconds that the exported model takes for a row."""
    git_revision: str
    """Revision of the code; empty when not known."""
    library_versions: dict[str, str] | None
    """Versions of what built it."""
    settings: dict[str, Any] | None
    """Settings of the run, without secrets."""
    reasons: str
    """How reasons are computed; empty when the bundle gives none."""
    signing_key: str
    """SHA-256 of the PEM file of the public key with which it was signed when published; empty for none."""


class Finding(Part):
    """One condition of the comparison."""

    name: str
    """What was looked at."""
    passed: bool
    """Whether it held."""
    text: str
    """What was found, in words."""
    figures: dict[str, Any]
    """What was found, in figures."""


class Verdict(Part):
    """Champion against challenger."""

    promoted: bool
    """Whether it became the live model."""
    forced: bool
    """Whether that was against the findings."""
    champion: str = ""
    """Version that it was compared with; empty where nothing was compared."""
    text: str
    """The verdict in words."""
    findings: tuple[Finding, ...]
    """What it rests on."""
    warnings: tuple[str, ...] = ()
    """What it does not hang on: a share of fraud or alerts that moved since the calibration."""


class Change(Part):
    """A value that differs."""

    name: str
    """Of what."""
    before: str | int | float | bool | None
    """In the model that was live; null where it had none."""
    after: str | int | float | bool | None
    """In this one."""


class Changes(Part):
    """What differs from the model that was live."""

    replaced: str
    """Its version."""
    features_added: tuple[str, ...]
    """Inputs that only this one has."""
    features_removed: tuple[str, ...]
    """Inputs that only that one had."""
    features_redefined: tuple[str, ...]
    """Inputs of both, under another definition."""
    parameters: tuple[Change, ...]
    """Settings that differ."""
    thresholds: tuple[Change, ...]
    """Both thresholds of both."""
    data: tuple[Change, ...]
    """Hash, size and windows of the data."""
    metrics: tuple[Change, ...]
    """Figures side by side."""
    same_window: bool
    """Whether both models' figures are of this test window; else each is of its own."""
