"""What to generate: the settings of the synthetic bank."""

from __future__ import annotations

from datetime import date
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class SyntheticConfig(BaseModel):
    """Settings of the generator; the same settings give the same rows, bit for bit."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    seed: int = Field(default=20240101, ge=0)
    """Seed of every random choice."""
    transactions: int = Field(default=1_000_000, ge=1_000)
    """Rows to generate, exactly."""
    accounts: int = Field(default=20_000, ge=100, le=50_000_000)
    """Accounts and cards in all institutions together."""
    merchants: int = Field(default=4_000, ge=400, le=10_000_000)
    """Shops, online shops, billers, cash machines and agents together."""
    start: date = date(2024, 1, 1)
    """First day, in Lima."""
    days: int = Field(default=180, ge=7, le=3650)
    """Days of transactions."""
    fraud_rate: float = Field(default=0.005, ge=0, le=0.2)
    """Share of the rows that are fraud, exactly but for rounding."""
    institutions: tuple[str, ...] = ("banco-andino", "caja-del-sur", "financiera-costa")
    """Ids of the institutions; the first is the largest."""
    legitimate_delay_days: float = Field(default=30.0, ge=0, le=365)
    """Days without a complaint after which a transaction counts as confirmed legitimate."""
    fraud_delay_median_days: float = Field(default=4.0, gt=0, le=45)
    """Median of the days until a fraud is reported; log-normal, from an hour to 45 days."""

    @model_validator(mode="after")
    def _institutions(self) -> Self:
        if not self.institutions or len(set(self.institutions)) != len(self.institutions):
            raise ValueError("institutions: at least one, each once")
        if any(not 1 <= len(name.encode()) <= 128 for name in self.institutions):
            raise ValueError("institutions: ids of 1 to 128 bytes")
        return self

    @property
    def frauds(self) -> int:
        """Rows that are fraud."""
        return round(self.transactions * self.fraud_rate)
