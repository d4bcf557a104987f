"""Parts about what the model learnt from: the data, its features, how close both come to a person."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from trainer.card.schema.part import Part


class Data(Part):
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


class FeatureEntry(Part):
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


class PersonalData(Part):
    """Classes of personal data (Ley 29733)."""

    features: dict[str, int]
    """Number of inputs by class."""
    columns: dict[str, tuple[str, ...]]
    """Columns of the data by class, those without any value left out."""
