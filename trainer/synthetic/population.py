"""The people and merchants of the synthetic bank, with their habits: drawn once, then fixed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kuntur.transaction import AccountType
from trainer.synthetic.config import SyntheticConfig
from trainer.synthetic.places import (
    ABROAD,
    CATEGORIES,
    CITIES,
    CITIES_ABROAD,
    CITY_COUNTRY,
    CITY_LATITUDE,
    CITY_LONGITUDE,
    HOME_CITIES,
    KIND_SHARE,
    ONLINE_ABROAD_SHARE,
    Kind,
    shares,
)

Array = npt.NDArray[Any]

SHOPS, ONLINE, BILLERS, ATMS, AGENTS, PAYEES = 8, 4, 3, 2, 2, 6  # habits an account has of each
DEVICES = 4  # device numbers an account may use: phone, next phone, computer, next computer
NEVER = 1 << 30  # a day that does not come
_TYPE_SHARE = {
    AccountType.SAVINGS: 0.50,
    AccountType.DEBIT_CARD: 0.22,
    AccountType.CREDIT_CARD: 0.18,
    AccountType.CHECKING: 0.05,
    AccountType.BUSINESS: 0.03,
    AccountType.PREPAID: 0.02,
}


@dataclass(frozen=True, slots=True)
class Merchants:
    """Merchants as columns of length m.

    kind, category, city: numbers in Kind, CATEGORIES, CITIES; placed: whether it has coordinates;
    median, sigma: of its amounts in soles; weight: how often it is chosen; pools: merchant numbers
    by (kind, city), with their cumulative weights.
    """

    kind: Array
    category: Array
    city: Array
    country: Array
    placed: Array
    latitude: Array
    longitude: Array
    median: Array
    sigma: Array
    pools: dict[tuple[int, int], tuple[Array, Array]]

    def __len__(self) -> int:
        return len(self.kind)

    def pick(self, kind: Kind, city: Array, rng: np.random.Generator) -> Array:
        """Returns a merchant of a kind in each city (int32, same shape); in any city where that is -1."""
        chosen = np.empty(city.shape, dtype=np.int32)
        draw = rng.random(city.shape)
        for number in np.unique(city):
            members, cumulative = self.pools.get((kind, int(number)), self.pools[kind, -1])
            here = city == number
            chosen[here] = members[np.searchsorted(cumulative, draw[here], side="right")]
        return chosen


@dataclass(frozen=True, slots=True)
class Accounts:
    """Accounts as columns of length a; habits are merchant numbers [a, k], payees account numbers.

    income: soles a month; digital: share of the transactions made with phone or computer; ages: days
    at the start; hour_shift_s: how late a person lives; trips: [a] first day, last day, city.
    """

    institution: Array
    type: Array
    city: Array
    income: Array
    spending: Array
    digital: Array
    age_days: Array
    hour_shift_s: Array
    cumulative_activity: Array
    shops: Array
    online: Array
    billers: Array
    atms: Array
    agents: Array
    payees: Array
    has_computer: Array
    new_phone_day: Array
    trip_first: Array
    trip_last: Array
    trip_city: Array
    opening_balance: Array

    def __len__(self) -> int:
        return len(self.type)


@dataclass(frozen=True, slots=True)
class Population:
    """Everyone who takes part."""

    accounts: Accounts
    merchants: Merchants


def populate(config: SyntheticConfig, rng: np.random.Generator) -> Population:
    """Draws the population."""
    merchants = _merchants(config.merchants, rng)
    return Population(_accounts(config, merchants, rng), merchants)


def _merchants(count: int, rng: np.random.Generator) -> Merchants:
    kind = rng.choice(len(KIND_SHARE), size=count, p=shares(list(KIND_SHARE))).astype(np.int8)
    kind[: len(Kind)] = np.arange(len(Kind))  # one of each kind at least
    category = np.zeros(count, dtype=np.int16)
    for one in Kind:
        numbers = np.array([i for i, item in enumerate(CATEGORIES) if item.kind == one])
        weight = shares([CATEGORIES[i].share for i in numbers])
        here = np.flatnonzero(kind == one)
        category[here] = rng.choice(numbers, size=len(here), p=weight)
    weights = [city.weight for city in HOME_CITIES]
    city = rng.choice(ABROAD, size=count, p=shares(weights)).astype(np.int16)
    away = ((kind == Kind.SHOP) & (rng.random(count) < 0.05)) | (
        (kind == Kind.ONLINE) & (rng.random(count) < ONLINE_ABROAD_SHARE)
    )
    abroad = ABROAD + rng.choice(len(CITIES_ABROAD), size=count, p=shares([c.weight for c in CITIES_ABROAD]))
    city[away] = abroad[away]
    weight = (1 / (1 + rng.permutation(count))) ** 0.6  # a few merchants see most of the customers
    pools: dict[tuple[int, int], tuple[Array, Array]] = {}
    for one in Kind:
        for number in range(-1, len(CITIES)):
            members = np.flatnonzero((kind == one) & ((number == -1) | (city == number)))
            if len(members):
                cumulative = np.cumsum(weight[members])
                pools[one, number] = members.astype(np.int32), cumulative / cumulative[-1] * (1 + 1e-12)
    spread = 0.06  # degrees: about seven kilometres
    return Merchants(
        kind=kind,
        category=category,
        city=city,
        country=CITY_COUNTRY[city],
        placed=np.isin(kind, [Kind.SHOP, Kind.ATM, Kind.AGENT]),
        latitude=np.round(CITY_LATITUDE[city] + rng.normal(0, spread, count), 5),
        longitude=np.round(CITY_LONGITUDE[city] + rng.normal(0, spread, count), 5),
        median=np.array([item.median_soles for item in CATEGORIES])[category] * rng.lognormal(0, 0.3, count),
        sigma=np.array([item.sigma for item in CATEGORIES])[category],
        pools=pools,
    )


def _accounts(config: SyntheticConfig, merchants: Merchants, rng: np.random.Generator) -> Accounts:
    count = config.accounts
    city = rng.choice(ABROAD, size=count, p=shares([c.weight for c in HOME_CITIES])).astype(np.int16)
    types = np.array(list(_TYPE_SHARE), dtype=np.int8)
    kind = rng.choice(types, size=count, p=list(_TYPE_SHARE.values()))
    business = kind == AccountType.BUSINESS
    income = rng.lognormal(np.log(2100), 0.65, count) * np.where(business, 6, 1)
    activity = np.cumsum(rng.gamma(1.6, 1.0, count) * np.where(business, 3, 1))
    size = len(config.institutions)
    parts = shares([1 / (rank + 1) for rank in range(size)])
    everywhere = np.full((count, ONLINE), -1, dtype=np.int16)
    phone = rng.random(count) * 365 * 3.5  # a new phone about each three and a half years
    trip = rng.random(count) * 365 / 0.8
    home_trips = [item.weight**0.5 * 0.6 for item in HOME_CITIES]
    trips = shares(home_trips + [item.weight * 0.4 for item in CITIES_ABROAD])
    destination = rng.choice(len(CITIES), size=count, p=trips)
    wide = city[:, None]
    return Accounts(
        institution=rng.choice(size, size=count, p=parts).astype(np.int16),
        type=kind,
        city=city,
        income=income,
        spending=(income / 2100) ** 0.45,
        digital=rng.beta(2.2, 2.0, count),
        age_days=np.minimum(rng.exponential(1500, count), 12_000).astype(np.int32) + 5,
        hour_shift_s=(rng.normal(0, 1.0, count) * 3600).astype(np.int32),
        cumulative_activity=activity / activity[-1] * (1 + 1e-12),
        shops=merchants.pick(Kind.SHOP, np.repeat(wide, SHOPS, axis=1), rng),
        online=merchants.pick(Kind.ONLINE, everywhere, rng),
        billers=merchants.pick(Kind.BILLER, everywhere[:, :BILLERS], rng),
        atms=merchants.pick(Kind.ATM, np.repeat(wide, ATMS, axis=1), rng),
        agents=merchants.pick(Kind.AGENT, np.repeat(wide, AGENTS, axis=1), rng),
        payees=rng.integers(0, count, (count, PAYEES), dtype=np.int32),
        has_computer=rng.random(count) < 0.35,
        new_phone_day=np.where(phone < config.days, phone, NEVER).astype(np.int32),
        trip_first=np.where(trip < config.days, trip, NEVER).astype(np.int32),
        trip_last=np.where(trip < config.days, trip + 3 + rng.integers(0, 12, count), -1).astype(np.int32),
        trip_city=destination.astype(np.int16),
        opening_balance=(income * rng.lognormal(-0.2, 0.9, count) * 100).astype(np.int64),
    )
