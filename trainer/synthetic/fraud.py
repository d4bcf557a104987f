"""Fraud, always with a cause: four schemes, planned for the whole time before any day is generated.

Planning ahead makes the number of frauds exact and lets a scheme last for weeks, whatever the size of
the pieces in which the days are generated. Honest visits that a scheme needs (the purchase at which a
card is copied) are planned with it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kuntur.transaction import AccountType, Channel, TransactionType
from trainer.synthetic.behaviour import DAY_US
from trainer.synthetic.config import SyntheticConfig
from trainer.synthetic.places import ABROAD, HOME_CITIES, Kind
from trainer.synthetic.population import DEVICES, Population
from trainer.synthetic.rows import NONE, Array, Cause, Rows, concatenate, make_rows

_MINUTE, _HOUR = 60_000_000, 3_600_000_000
SCHEME_SHARE = {
    Cause.CARD_TESTING: 0.25,
    Cause.ACCOUNT_TAKEOVER: 0.25,
    Cause.COMPROMISED_MERCHANT: 0.30,
    Cause.CASH_OUT: 0.20,
}
MULES = 500  # accounts elsewhere that receive stolen money, numbered after the accounts


@dataclass(frozen=True, slots=True)
class _Incidents:
    """Incidents of one scheme, spread over their rows.

    account: int32 [incidents]; of: int64 [rows], the incident of each row; step, last: its number
    within the incident and that of the last, int64 [rows]; start_us: int64 [incidents].
    """

    account: Array
    of: Array
    step: Array
    last: Array
    start_us: Array


def plan(config: SyntheticConfig, population: Population, rng: np.random.Generator) -> Rows:
    """Returns exactly `config.frauds` frauds, and the honest rows that belong to them, in order of time."""
    wanted = config.frauds
    edges = np.round(np.cumsum([0.0, *SCHEME_SHARE.values()]) * wanted).astype(int)
    parts = [_nothing()]
    for scheme, count in zip(SCHEME_SHARE, np.diff(edges), strict=True):
        parts.append(_SCHEMES[scheme](config, population, int(count), rng))
    rows = concatenate(parts)
    # A scheme that is still at it when the period ends does the rest in the last hours.
    end = config.days * DAY_US
    time = np.where(rows.time_us < end, rows.time_us, end - 1 - (rows.time_us - end) % (6 * _HOUR))
    rows = replace(rows, time_us=time)
    return rows.take(np.argsort(rows.time_us, kind="stable"))


def _nothing() -> Rows:
    return make_rows(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int32))


def _incidents(
    config: SyntheticConfig, eligible: Array, steps: tuple[int, int], count: int, rng: np.random.Generator
) -> _Incidents:
    """Draws incidents with steps[0] to steps[1] rows each, `count` rows in all; the last may be shorter."""
    sizes = rng.integers(steps[0], steps[1] + 1, count // steps[0] + 1)
    ends = np.cumsum(sizes)
    number = int(np.searchsorted(ends, count)) + 1
    of = np.repeat(np.arange(number), sizes[:number])[:count]
    step = np.arange(len(of)) - (ends - sizes)[of]
    start = rng.integers(DAY_US, max(config.days - 2, 2) * DAY_US, number)
    account = eligible[rng.integers(0, len(eligible), number)].astype(np.int32)
    return _Incidents(account, of, step, sizes[of] - 1, start)


def _at_hours(start_us: Array, hours: tuple[int, int], rng: np.random.Generator) -> Array:
    """Moves moments to an hour of their day between hours[0] and hours[1]."""
    return start_us // DAY_US * DAY_US + rng.integers(hours[0] * _HOUR, hours[1] * _HOUR, len(start_us))


def _foreign_device(population: Population, of: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Returns each incident a device that no customer has, and an address abroad or at a hosting company."""
    incidents = int(of.max()) + 1 if len(of) else 0
    first = len(population.accounts) * DEVICES
    device = first + rng.integers(0, 1 << 30, incidents)
    network = rng.choice([45, 91, 185, 190], size=incidents, p=[0.3, 0.2, 0.3, 0.2])
    ip = (network << 24) | rng.integers(0, 1 << 24, incidents)
    return device[of], ip[of]


def _card_testing(
    config: SyntheticConfig, population: Population, count: int, rng: np.random.Generator
) -> Rows:
    """A stolen card is tried with tiny amounts at one online shop; if it works, a big purchase follows."""
    who = _incidents(config, np.arange(len(population.accounts)), (6, 13), count, rng)
    number, big = len(who.account), who.step == who.last
    gap = np.where(
        big, rng.integers(10 * _MINUTE, 6 * _HOUR, len(who.of)), rng.integers(0, 30_000_000, len(who.of))
    )
    time = who.start_us[who.of] + who.step * 60_000_000 + gap
    anywhere = np.full(number, -1, dtype=np.int16)
    tried = population.merchants.pick(Kind.ONLINE, anywhere, rng)
    bought = population.merchants.pick(Kind.ONLINE, anywhere, rng)
    nothing = ~big & (rng.random(len(big)) < 0.4)
    account = who.account[who.of]
    large = 500 * population.accounts.spending[account] * rng.lognormal(0.4, 0.7, len(big))
    device, ip = _foreign_device(population, who.of, rng)
    return make_rows(
        time,
        account,
        merchant=np.where(big, bought[who.of], tried[who.of]),
        type=np.where(nothing, TransactionType.VERIFICATION, TransactionType.PURCHASE),
        channel=Channel.ECOMMERCE,
        soles=np.where(big, large, np.where(nothing, 0.0, 0.5 + 4 * rng.random(len(big)))),
        in_dollars=(rng.random(number) < 0.4)[who.of],
        device=device,
        ip=ip,
        cause=Cause.CARD_TESTING,
    )


def _account_takeover(
    config: SyntheticConfig, population: Population, count: int, rng: np.random.Generator
) -> Rows:
    """Someone else signs in from a new device, at an odd hour, in another place, and spends a lot."""
    who = _incidents(config, np.arange(len(population.accounts)), (3, 7), count, rng)
    number, account = len(who.account), who.account[who.of]
    night = rng.random(number) < 0.7
    start = np.where(night, _at_hours(who.start_us, (0, 5), rng), who.start_us)
    time = start[who.of] + who.step * rng.integers(8 * _MINUTE, 70 * _MINUTE, number)[who.of]
    abroad = ABROAD + rng.integers(0, 7, number)
    elsewhere = (population.accounts.city[who.account] + rng.integers(1, ABROAD, number)) % ABROAD
    city = np.where(rng.random(number) < 0.55, abroad, elsewhere).astype(np.int16)[who.of]
    online = rng.random(len(who.of)) < 0.6
    shop = population.merchants.pick(Kind.SHOP, city, rng)
    shop = np.where(online, population.merchants.pick(Kind.ONLINE, city, rng), shop)
    device, ip = _foreign_device(population, who.of, rng)
    return make_rows(
        time,
        account,
        merchant=shop,
        type=TransactionType.PURCHASE,
        channel=np.where(online, Channel.ECOMMERCE, Channel.POINT_OF_SALE),
        soles=380 * population.accounts.spending[account] * rng.lognormal(0.3, 0.8, len(who.of)),
        in_dollars=population.merchants.city[shop] >= ABROAD,
        device=np.where(online, device, NONE),
        ip=np.where(online, ip, 0),
        cause=Cause.ACCOUNT_TAKEOVER,
    )


def _compromised_merchant(
    config: SyntheticConfig, population: Population, count: int, rng: np.random.Generator
) -> Rows:
    """For three weeks a shop copies cards of its customers, which are used days later, there or elsewhere."""
    accounts, merchants = population.accounts, population.merchants
    who = _incidents(config, np.arange(len(accounts)), (1, 4), count, rng)
    number, rows = len(who.account), len(who.of)
    # About 25 cards are copied at each shop. Its customers are those for whom it is a habit.
    shops = accounts.shops[rng.integers(0, len(accounts), number // 25 + 1), 0]
    opens = rng.integers(0, max(config.days - 28, 1), len(shops))
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
    copied = _at_hours((opens[at] + rng.integers(0, weeks, number)) * DAY_US, (9, 21), rng)
    first = copied + rng.integers(6 * _HOUR, 12 * 24 * _HOUR, number)
    first = np.minimum(first, np.maximum(config.days * DAY_US - 12 * _HOUR, copied + _HOUR))
    time = first[who.of] + who.step * rng.integers(_HOUR // 2, 30 * _HOUR, number)[who.of]
    draw = rng.random(rows)
    same, online = draw < 0.3, draw > 0.65
    city = rng.integers(0, len(HOME_CITIES), rows).astype(np.int16)
    place = np.where(online, merchants.pick(Kind.ONLINE, np.full(rows, -1, dtype=np.int16), rng),
                     merchants.pick(Kind.SHOP, city, rng))  # fmt: skip
    place = np.where(same, shops[at][who.of], place)
    device, ip = _foreign_device(population, who.of, rng)
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


def _cash_out(config: SyntheticConfig, population: Population, count: int, rng: np.random.Generator) -> Rows:
    """Within an hour the balance leaves in a few transfers to an account never paid before."""
    accounts = population.accounts
    holds_money = np.flatnonzero(accounts.type != AccountType.CREDIT_CARD)
    who = _incidents(config, holds_money, (2, 5), count, rng)
    number, account = len(who.account), who.account[who.of]
    time = who.start_us[who.of] + who.step * rng.integers(2 * _MINUTE, 15 * _MINUTE, number)[who.of]
    device, ip = _foreign_device(population, who.of, rng)
    own = (rng.random(number) < 0.4)[who.of]  # by malware, or by talking the customer into it
    day = time // DAY_US
    mine = account.astype(np.int64) * DEVICES + (day >= accounts.new_phone_day[account])
    home = (190 << 24) | (account.astype(np.int64) * 2_654_435_761) % (1 << 24)
    return make_rows(
        time,
        account,
        counterparty=(len(accounts) + rng.integers(0, MULES, number))[who.of],
        type=TransactionType.TRANSFER,
        channel=np.where(rng.random(number) < 0.75, Channel.MOBILE, Channel.WEB)[who.of],
        soles=50.0,
        device=np.where(own, mine, device),
        ip=np.where(own, home, ip),
        cause=Cause.CASH_OUT,
        balance_share=0.55 * 0.5**who.step * rng.uniform(0.8, 1.2, number)[who.of],
    )


_SCHEMES = {
    Cause.CARD_TESTING: _card_testing,
    Cause.ACCOUNT_TAKEOVER: _account_takeover,
    Cause.COMPROMISED_MERCHANT: _compromised_merchant,
    Cause.CASH_OUT: _cash_out,
}
