"""Compromised merchant: a shop copies its customers' cards, which are used days later."""

from __future__ import annotations

import numpy as np

from kuntur.transaction import Channel, TransactionType
from trainer.synthetic.calendar import DAY_US
from trainer.synthetic.config import SyntheticConfig
from trainer.synthetic.places import ABROAD, HOME_CITIES, Kind
from trainer.synthetic.population import Population
from trainer.synthetic.rows import CAUSE_NAMES, NONE, Array, Cause, Rows, concatenate, make_rows
from trainer.synthetic.schemes.incidents import HOUR, at_hours, foreign_device, incidents, starts_us


def compromised_merchant(
    config: SyntheticConfig, population: Population, count: int, rng: np.random.Generator
) -> Rows:
    """For three weeks a shop copies cards of its customers, which are used days later, there or elsewhere."""
    accounts, merchants = population.accounts, population.merchants
    who = incidents(config, Cause.COMPROMISED_MERCHANT, np.arange(len(accounts)), (1, 4), count, rng)
    number, rows = len(who.account), len(who.of)
    # About 25 cards are copied at each shop. Its customers are those for whom it is a habit.
    shops = accounts.shops[rng.integers(0, len(accounts), number // 25 + 1), 0]
    opens = _first_days(config, len(shops), rng)
    at = rng.integers(0, len(shops), number)
    order = np.argsort(accounts.shops.ravel(), kind="stable")
    sorted_shops = accounts.shops.ravel()[order]
    low, high = (
        np.searchsorted(sorted_shops, shops[at]),
        np.searchsorted(sorted_shops, shops[at], side="right"),
    )
    victim = (
        order[low + (rng.random(number) * (high - low)).astype(np.int64)] // accounts.shops.shape[1]
    ).astype(np.int32)
    weeks = min(21, config.days - 3)
    copied = at_hours((opens[at] + rng.integers(0, weeks, number)) * DAY_US, (9, 21), rng)
    first = copied + rng.integers(6 * HOUR, 12 * 24 * HOUR, number)
    first = np.minimum(first, np.maximum(config.days * DAY_US - 12 * HOUR, copied + HOUR))
    time = first[who.of] + who.step * rng.integers(HOUR // 2, 30 * HOUR, number)[who.of]
    draw = rng.random(rows)
    same, online = draw < 0.3, draw > 0.65
    city = rng.integers(0, len(HOME_CITIES), rows).astype(np.int16)
    place = np.where(online, merchants.pick(Kind.ONLINE, np.full(rows, -1, dtype=np.int16), rng),
                     merchants.pick(Kind.SHOP, city, rng))  # fmt: skip
    place = np.where(same, shops[at][who.of], place)
    device, ip = foreign_device(population, who.of, rng)
    wealth = accounts.spending[victim]
    frauds = make_rows(
        time,
        victim[who.of],
        merchant=place,
        type=TransactionType.PURCHASE,
        channel=np.where(online, Channel.ECOMMERCE, Channel.POINT_OF_SALE),
        soles=170 * wealth[who.of] * rng.lognormal(0.2, 0.9, rows),
        in_dollars=merchants.city[place] >= ABROAD,
        device=np.where(online, device, NONE),
        ip=np.where(online, ip, 0),
        cause=Cause.COMPROMISED_MERCHANT,
    )
    visits = make_rows(
        copied,
        victim,
        merchant=shops[at],
        type=TransactionType.PURCHASE,
        channel=Channel.POINT_OF_SALE,
        soles=merchants.median[shops[at]] * wealth * rng.lognormal(0, 0.5, number),
        in_dollars=merchants.city[shops[at]] >= ABROAD,
    )
    return concatenate([frauds, visits])


def _first_days(config: SyntheticConfig, number: int, rng: np.random.Generator) -> Array:
    """Returns the days on which shops begin to copy cards, so that three weeks of it fit into the time."""
    last = max(config.days - 28, 1)
    if not config.seasons and config.fraud_trend.get(CAUSE_NAMES[Cause.COMPROMISED_MERCHANT], 1.0) == 1:
        return rng.integers(0, last, number)
    return starts_us(config, Cause.COMPROMISED_MERCHANT, number, rng) // DAY_US * last // config.days
