"""The form of `documents/validation.json`, which any program may read: versioned, every field explained.

`ValidationDocument.model_json_schema()` gives its JSON Schema. Null stands for what a run did not make.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Figures = dict[str, float | None]
Scalars = dict[str, str | int | float | bool | None]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Model(_Part):
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


class Finding(_Part):
    """One condition of the comparison."""

    name: str
    """What was looked at."""
    passed: bool
    """Whether it held."""
    text: str
    """What was found, in words."""
    figures: dict[str, Any]
    """What was found, in figures."""


class Verdict(_Part):
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


class Change(_Part):
    """A value that differs."""

    name: str
    """Of what."""
    before: str | int | float | bool | None
    """In the model that was live; null where it had none."""
    after: str | int | float | bool | None
    """In this one."""


class Changes(_Part):
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


class Data(_Part):
    """The transactions and labels."""

    sources: tuple[str, ...]
    """Where it came from."""
    data_hash: str
    """Hash of the transactions and labels."""
    rows: int
    """Transactions."""
    frauds: int
    """Frauds among them."""
    window: dict[str, str | float]
    """Ends of training and validation, ISO 8601 in UTC, and the label delay in days."""
    time_zone: str
    """IANA zone in which features count hours and days."""
    quality: dict[str, Any] | None
    """Profile of each column; as `documents/quality.json`."""
    checks: dict[str, Any] | None
    """Report of the declared checks."""


class FeatureEntry(_Part):
    """An input of the model."""

    name: str
    """Name in the catalogue, or `attribute.NAME`."""
    rank: int = Field(ge=1)
    """Place by importance."""
    importance: float | None
    """Its weight."""
    description: str
    """What it is."""
    unit: str
    """Its unit."""
    source: tuple[str, ...]
    """Fields of the transaction that it is computed from."""
    why: str
    """Why it may tell fraud apart."""
    personal_data: str
    """How close it comes to a person (Ley 29733)."""


class PersonalData(_Part):
    """Classes of personal data (Ley 29733)."""

    features: dict[str, int]
    """Number of inputs by class."""
    columns: dict[str, tuple[str, ...]]
    """Columns of the data by class, those without any value left out."""


class Trial(_Part):
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


class Search(_Part):
    """The search for a setting."""

    trials: tuple[Trial, ...]
    """Every trial."""
    in_order: bool
    """Whether they stand in the order of starting; else as the search told them."""
    choice: str
    """Why the chosen one was chosen; empty when the search does not say."""


class Interval(_Part):
    """A figure with its bootstrap interval."""

    value: float | None
    """The figure."""
    low: float | None
    """Lower end."""
    high: float | None
    """Upper end."""


class Threshold(_Part):
    """Probabilities at which the advice changes."""

    review: float
    """At or above: REVIEW."""
    decline: float
    """At or above: DECLINE."""
    rationale: str
    """Why there."""


class Curves(_Part):
    """Points of the curves on the test window, thinned."""

    days: float
    """Length of the window."""
    currency: str
    """Of the money in `recall_by_value`."""
    operating: tuple[dict[str, float], ...]
    """threshold, alerts_per_day, precision, recall, recall_by_value; threshold falling."""
    reliability: tuple[dict[str, float], ...]
    """low, high, rows, frauds, predicted (mean), observed (share), observed_low, observed_high (95 %)."""


class Evaluation(_Part):
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
    """dimension (channel, type, institution), value, and figures."""


class DriftBin(_Part):
    """A part of a feature's values."""

    label: str
    """Which."""
    training: float | None
    """Share of the training rows."""
    test: float | None
    """Share of the test rows."""


class Drift(_Part):
    """How far a feature moved between training and test."""

    name: str
    """Which feature."""
    psi: float | None
    """Population stability index."""
    bins: tuple[DriftBin, ...]
    """What it is computed from."""


class Gates(_Part):
    """What had to hold before it was published."""

    calibration: dict[str, Any] | None
    """How scores become probabilities."""
    parity: dict[str, Any] | None
    """What the export gate found."""
    leakage: dict[str, Any] | None
    """What the leakage check found."""
    traces: tuple[str, ...]
    """What was let pass against a check."""


class ValidationDocument(_Part):
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
    features: tuple[FeatureEntry, ...]
    """Its inputs, the most important first."""
    personal_data: PersonalData
    """Classes of personal data."""
    search: Search | None
    """Every trial, and why one was chosen."""
    evaluation: Evaluation
    """How well it finds fraud."""
    drift: tuple[Drift, ...] | None
    """Feature by feature, the worst first."""
    gates: Gates
    """What had to hold."""
