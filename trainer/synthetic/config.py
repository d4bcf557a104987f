"""What to generate: the settings of the synthetic bank, and named sets of them."""

from __future__ import annotations

import math
from datetime import date
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from trainer.synthetic.rows import CAUSE_NAMES

KINDS = CAUSE_NAMES[1:]
_CLASSIC = {"card_testing": 0.25, "account_takeover": 0.25, "compromised_merchant": 0.30, "cash_out": 0.20}
SCENARIOS: dict[str, dict[str, Any]] = {
    "classic": {"fraud_mix": _CLASSIC},
    "full": {
        "fraud_mix": {
            "card_testing": 0.13,
            "account_takeover": 0.14,
            "compromised_merchant": 0.15,
            "cash_out": 0.10,
            "mule_network": 0.14,
            "push_payment": 0.12,
            "stolen_phone": 0.12,
            "sim_swap": 0.10,
        },
        "fraud_trend": {"card_testing": 0.6, "cash_out": 0.7, "push_payment": 2.0, "stolen_phone": 1.5},
        "amount_trend": 1.25,
        "instant_share": 0.85,
        "lookalike_share": 0.01,
        "seasons": True,
    },
}
"""classic: cards and accounts as banks have long known them. full: every kind, instant transfers, honest
look-alikes, seasons, and a mix and amounts that change."""


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
    fraud_mix: dict[str, float] = Field(default=_CLASSIC)
    """Weight of each kind among the frauds; a kind that is not named, or has weight 0, is left out."""
    fraud_trend: dict[str, float] = Field(default_factory=dict)
    """By kind, how many times as many incidents a day begin at the end of the period as at its start."""
    amount_trend: float = Field(default=1.0, ge=0.1, le=10)
    """How many times as large amounts of fraud are at the end of the period as at its start; those of stolen
    phones are bound by the limits of instant transfers and those of cash-out and SIM swap by the balance."""
    instant_share: float = Field(default=0.0, ge=0, le=1)
    """Share of the small transfers by phone that are instant transfers between people, with own habits."""
    instant_limit_soles: float = Field(default=500.0, ge=10, le=100_000)
    """The most that one instant transfer may move."""
    instant_daily_limit_soles: float = Field(default=2_000.0, ge=10, le=1_000_000)
    """The most that a stolen phone can move by them in a day."""
    lookalike_share: float = Field(default=0.0, ge=0, le=0.1)
    """Share of the rows that are honest and have the shape of a fraud: large first payments, payments in
    parts, pots that many pay into, money passed on, new phones."""
    seasons: bool = False
    """Whether gratificaciones, CTS, Fiestas Patrias and Christmas change what is earned, spent and stolen."""
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

    @model_validator(mode="after")
    def _kinds(self) -> Self:
        for name, values in (("fraud_mix", self.fraud_mix), ("fraud_trend", self.fraud_trend)):
            if unknown := sorted(set(values) - set(KINDS)):
                raise ValueError(
                    f"{name}: no kind of fraud {', '.join(unknown)}; choose from {', '.join(KINDS)}"
                )
            if any(not 0 <= value < math.inf for value in values.values()):
                raise ValueError(f"{name}: numbers from 0 on")
        if any(value == 0 for value in self.fraud_trend.values()):
            raise ValueError("fraud_trend: above 0; a kind is left out by its weight in fraud_mix")
        if self.frauds and not any(self.fraud_mix.values()):
            raise ValueError("fraud_mix: at least one kind above 0, or fraud_rate 0")
        return self

    @property
    def frauds(self) -> int:
        """Rows that are fraud."""
        return round(self.transactions * self.fraud_rate)
