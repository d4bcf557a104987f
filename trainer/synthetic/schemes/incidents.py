"""What all schemes share: incidents and when they begin, devices of strangers, accounts that receive."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kuntur.transaction import AccountType
from trainer.synthetic.calendar import DAY_US, days_of, season_of
from trainer.synthetic.config import SyntheticConfig
from trainer.synthetic.population import DEVICES, Accounts, Population
from trainer.synthetic.reach import MULES
from trainer.synthetic.rows import CAUSE_NAMES, Array, Cause

MINUTE, HOUR = 60_000_000, 3_600_000_000


@dataclass(frozen=True, slots=True)
class Incidents:
    """Incidents of one scheme, spread over their rows.

    account: int32 [incidents]; of: int64 [rows], the incident of each row; step, last: its number
    within the incident and that of the last, int64 [rows]; start_us: int64 [incidents].
    """

    account: Array
    of: Array
    step: Array
    last: Array
    start_us: Array


def incidents(
    config: SyntheticConfig,
    cause: Cause,
    eligible: Array,
    steps: tuple[int, int],
    count: int,
    rng: np.random.Generator,
    weight: Array | None = None,
) -> Incidents:
    """Draws incidents with steps[0] to steps[1] rows each, `count` rows in all; the last may be shorter.

    eligible: accounts; weight: float64 [len(eligible)], how likely each is, None for all alike.
    """
    sizes = rng.integers(steps[0], steps[1] + 1, count // steps[0] + 1)
    ends = np.cumsum(sizes)
    number = int(np.searchsorted(ends, count)) + 1
    of = np.repeat(np.arange(number), sizes[:number])[:count]
    step = np.arange(len(of)) - (ends - sizes)[of]
    start = starts_us(config, cause, number, rng)
    account = drawn(eligible, weight, number, rng)
    return Incidents(account, of, step, sizes[of] - 1, start)


def drawn(
    eligible: Array, weight: Array | None, shape: int | tuple[int, int], rng: np.random.Generator
) -> Array:
    """Draws accounts, int32 [shape], with replacement; weight: as for `incidents`."""
    if weight is None:
        return eligible[rng.integers(0, len(eligible), shape)].astype(np.int32)
    cumulative = np.cumsum(weight)
    place = np.searchsorted(cumulative / cumulative[-1] * (1 + 1e-12), rng.random(shape), side="right")
    return eligible[place].astype(np.int32)


def starts_us(config: SyntheticConfig, cause: Cause, number: int, rng: np.random.Generator) -> Array:
    """Draws the moments at which incidents begin, int64 [number], by the season and the kind's trend."""
    last = max(config.days - 2, 2)
    trend = config.fraud_trend.get(CAUSE_NAMES[cause], 1.0)
    if trend == 1 and not config.seasons:
        return rng.integers(DAY_US, last * DAY_US, number)
    days = np.arange(1, last)
    weight = 1 + (trend - 1) * days / max(config.days - 1, 1)
    if config.seasons and cause != Cause.LEGITIMATE:
        dates = days_of(config.start, 1, len(days))
        weight = weight * np.array([season_of(day).fraud for day in dates])
    cumulative = np.cumsum(weight)
    day = days[np.searchsorted(cumulative / cumulative[-1] * (1 + 1e-12), rng.random(number), side="right")]
    return day * DAY_US + rng.integers(0, DAY_US, number)


def at_hours(start_us: Array, hours: tuple[int, int], rng: np.random.Generator) -> Array:
    """Moves moments to an hour of their day between hours[0] and hours[1]."""
    return start_us // DAY_US * DAY_US + rng.integers(hours[0] * HOUR, hours[1] * HOUR, len(start_us))


def holds_money(accounts: Accounts) -> Array:
    """Returns the accounts that money can be sent from: all but credit cards."""
    return np.flatnonzero(accounts.type != AccountType.CREDIT_CARD)


def foreign_device(population: Population, of: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Returns each incident a device that no customer has, and an address abroad or at a hosting company."""
    count = int(of.max()) + 1 if len(of) else 0
    first = len(population.accounts) * DEVICES
    device = first + rng.integers(0, 1 << 30, count)
    network = rng.choice([45, 91, 185, 190], size=count, p=[0.3, 0.2, 0.3, 0.2])
    ip = (network << 24) | rng.integers(0, 1 << 24, count)
    return device[of], ip[of]


def new_payees(accounts: Accounts, number: int, inside: float, rng: np.random.Generator) -> Array:
    """Returns accounts that receive stolen money, int32 [number]; inside: share that are own customers."""
    elsewhere = len(accounts) + rng.integers(0, MULES, number)
    return np.where(rng.random(number) < inside, rng.integers(0, len(accounts), number), elsewhere).astype(
        np.int32
    )
