"""What customers do on an ordinary day, unusual but honest days included.

Hard cases for a detector are made here: trips, new phones, big purchases made once, first payments to
someone new. None of them is fraud.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from kuntur.transaction import AccountType, Channel, TransactionType
from trainer.synthetic.calendar import DAY_US, days_of, is_payday, season_of
from trainer.synthetic.config import SyntheticConfig
from trainer.synthetic.instant import over_the_rail
from trainer.synthetic.places import ABROAD, Kind
from trainer.synthetic.population import DEVICES, Accounts, Merchants, Population
from trainer.synthetic.rows import NONE, Array, Rows, make_rows


class Mode(IntEnum):
    """Ways to use an account."""

    SHOP = 0
    ONLINE = 1
    ATM = 2
    WALLET = 3
    TRANSFER = 4
    BILL = 5
    DEPOSIT = 6
    AGENT = 7
    REFUND = 8
    VERIFICATION = 9
    BRANCH = 10


_TYPE = np.array([TransactionType.PURCHASE, TransactionType.PURCHASE, TransactionType.CASH_WITHDRAWAL,
                  TransactionType.TRANSFER, TransactionType.TRANSFER, TransactionType.BILL_PAYMENT,
                  TransactionType.DEPOSIT, TransactionType.CASH_WITHDRAWAL, TransactionType.REFUND,
                  TransactionType.VERIFICATION, TransactionType.CASH_WITHDRAWAL], dtype=np.int8)  # fmt: skip
_CHANNEL = np.array([Channel.POINT_OF_SALE, Channel.ECOMMERCE, Channel.ATM, Channel.MOBILE, Channel.MOBILE,
                     Channel.MOBILE, Channel.BRANCH, Channel.AGENT, Channel.ECOMMERCE, Channel.ECOMMERCE,
                     Channel.BRANCH], dtype=np.int8)  # fmt: skip
# Shares of the modes for people of cash, people of screens, and credit cards.
_SHARES = np.array([
    [0.40, 0.03, 0.17, 0.12, 0.02, 0.04, 0.07, 0.10, 0.005, 0.005, 0.04],
    [0.26, 0.19, 0.05, 0.32, 0.05, 0.06, 0.05, 0.01, 0.010, 0.010, 0.00],
    [0.58, 0.37, 0.01, 0.00, 0.00, 0.01, 0.00, 0.00, 0.015, 0.015, 0.00],
])  # fmt: skip
# Which factor of a season moves the amounts of a mode: none, that of purchases, that of what is paid in.
_SEASONAL = np.array([1, 1, 0, 0, 0, 0, 2, 0, 0, 0, 0])
_STEPS = 4096  # resolution of the tables that turn a uniform number into a mode or an hour
_DAYTIME = [0.3, 0.15, 0.1, 0.1, 0.15, 0.5, 1.5, 3, 4, 4.5, 5, 6, 8, 8, 6, 5, 5, 6, 8, 9, 8, 5.5, 3, 1]
_ONLINE_HOURS = [2.5, 1.5, 0.9, 0.6, 0.5, 0.6, 1.2, 2, 3, 4, 4.5, 5, 6, 6, 5, 5, 5, 5, 6, 7, 8, 8.5, 7, 4.5]
_OFFICE = [0, 0, 0, 0, 0, 0, 0, 0, 1, 8, 9, 9, 8, 7, 7, 8, 8, 6, 1, 0, 0, 0, 0, 0]
_HOURS = [_DAYTIME, _ONLINE_HOURS, _DAYTIME, _ONLINE_HOURS, _ONLINE_HOURS, _ONLINE_HOURS, _OFFICE, _DAYTIME,
          _DAYTIME, _ONLINE_HOURS, _OFFICE]  # fmt: skip


def _table(weights: Array) -> Array:
    """Returns, for each row of weights, the index that each of _STEPS equal parts of [0, 1) stands for."""
    cumulative = np.cumsum(weights, axis=1) / np.sum(weights, axis=1, keepdims=True)
    middle = (np.arange(_STEPS) + 0.5) / _STEPS
    return np.stack([np.searchsorted(row, middle) for row in cumulative]).astype(np.int8)


# How much more often money is paid in: on ordinary days, pay days, days of a bonus, pay days with one.
_DEPOSITS = (1, 4, 2, 7)
_MODE_TABLE = _table(
    np.concatenate([_SHARES * np.where(np.arange(len(Mode)) == Mode.DEPOSIT, n, 1) for n in _DEPOSITS])
)
_HOUR_TABLE = _table(np.array(_HOURS))


def ordinary_rows(
    population: Population, config: SyntheticConfig, first_day: int, counts: Array, rng: np.random.Generator
) -> Rows:
    """Returns the honest rows of some days in a row, in no order.

    counts: rows of each day from first_day on, counted from the start date.
    """
    accounts = population.accounts
    dates = days_of(config.start, first_day, len(counts))
    seasons = [season_of(date) for date in dates] if config.seasons else []
    day = np.repeat(first_day + np.arange(len(counts)), counts)
    count = len(day)
    account = np.searchsorted(accounts.cumulative_activity, rng.random(count), side="right").astype(np.int32)
    paydays = np.array([is_payday(date) for date in dates])
    bonuses = np.array([season.bonus for season in seasons] or [False] * len(dates))
    style = np.where(rng.random(count) < accounts.digital[account], 1, 0)
    style = np.where(accounts.type[account] == AccountType.CREDIT_CARD, 2, style)
    style += (3 * paydays + 6 * bonuses)[day - first_day]
    mode = _MODE_TABLE[style, rng.integers(0, _STEPS, count)]
    hour = _HOUR_TABLE[mode, rng.integers(0, _STEPS, count)].astype(np.int64)
    within = hour * 3_600_000_000 + rng.integers(0, 3_600_000_000, count)
    office = (mode == Mode.BRANCH) | (mode == Mode.DEPOSIT)
    within += np.where(office, 0, accounts.hour_shift_s[account].astype(np.int64) * 1_000_000)
    away = (day >= accounts.trip_first[account]) & (day <= accounts.trip_last[account])
    merchant = _merchant(population, account, mode, away, rng)
    channel = _channel(accounts, account, mode, rng)
    in_dollars = _pays_in_dollars(population.merchants, merchant, mode, rng)
    device, ip = _device_and_ip(accounts, account, channel, day, rng)
    counterparty = _counterparty(accounts, account, mode, rng)
    soles = _soles(population, account, mode, merchant, rng)
    if seasons:
        factors = np.array([(1.0, season.spending, season.pay) for season in seasons])
        soles = soles * factors[day - first_day, _SEASONAL[mode]]
    rows = make_rows(
        day * DAY_US + within % DAY_US,
        account,
        merchant=merchant,
        counterparty=counterparty,
        type=_TYPE[mode],
        channel=channel,
        soles=soles,
        in_dollars=in_dollars,
        device=device,
        ip=ip,
    )
    if config.instant_share:
        rows = over_the_rail(rows, mode == Mode.WALLET, config, population, rng)
    return rows


def _merchant(
    population: Population, account: Array, mode: Array, away: Array, rng: np.random.Generator
) -> Array:
    accounts, merchants = population.accounts, population.merchants
    merchant = np.full(len(account), NONE, dtype=np.int32)
    for modes, kind, habit in (
        ((Mode.SHOP,), Kind.SHOP, accounts.shops),
        ((Mode.ONLINE, Mode.REFUND, Mode.VERIFICATION), Kind.ONLINE, accounts.online),
        ((Mode.BILL,), Kind.BILLER, accounts.billers),
        ((Mode.ATM,), Kind.ATM, accounts.atms),
        ((Mode.AGENT,), Kind.AGENT, accounts.agents),
    ):
        here = np.flatnonzero(np.isin(mode, modes))
        who = account[here]
        # The first habits are the strongest: the square of a uniform number prefers small indexes.
        favourite = (rng.random(len(here)) ** 2 * habit.shape[1]).astype(np.int64)
        chosen = habit[who, favourite]
        local = kind in {Kind.SHOP, Kind.ATM, Kind.AGENT}
        travelling = away[here] & local
        new = np.flatnonzero((rng.random(len(here)) < 0.18) | travelling)
        city = np.where(travelling[new], accounts.trip_city[who[new]], accounts.city[who[new]])
        chosen[new] = merchants.pick(kind, city if local else np.full(len(new), -1, dtype=np.int16), rng)
        merchant[here] = chosen
    return merchant


def _counterparty(accounts: Accounts, account: Array, mode: Array, rng: np.random.Generator) -> Array:
    counterparty = np.full(len(account), NONE, dtype=np.int32)
    here = np.flatnonzero((mode == Mode.WALLET) | (mode == Mode.TRANSFER))
    favourite = (rng.random(len(here)) ** 2 * accounts.payees.shape[1]).astype(np.int64)
    known = accounts.payees[account[here], favourite]
    someone = rng.integers(0, len(accounts), len(here), dtype=np.int32)
    other = np.where(rng.random(len(here)) < 0.2, someone, known)
    counterparty[here] = np.where(other == account[here], (other + 1) % len(accounts), other)
    return counterparty


def _channel(accounts: Accounts, account: Array, mode: Array, rng: np.random.Generator) -> Array:
    channel = _CHANNEL[mode]
    draw = rng.random(len(mode))
    banking = (mode == Mode.TRANSFER) | (mode == Mode.BILL)
    channel = np.where(banking & accounts.has_computer[account] & (draw < 0.45), Channel.WEB, channel)
    agent = ((mode == Mode.BILL) & (draw > 0.8)) | ((mode == Mode.DEPOSIT) & (draw > 0.6))
    channel = np.where(agent, Channel.AGENT, channel)
    return np.where((mode == Mode.TRANSFER) & (draw > 0.985), Channel.PHONE, channel).astype(np.int8)


def _soles(
    population: Population, account: Array, mode: Array, merchant: Array, rng: np.random.Generator
) -> Array:
    accounts, merchants = population.accounts, population.merchants
    wealth, income = accounts.spending[account], accounts.income[account]
    median = np.where(merchant == NONE, 300.0, merchants.median[merchant]) * wealth
    sigma = np.where(merchant == NONE, 0.9, merchants.sigma[merchant])
    median = np.where(mode == Mode.WALLET, 22 * wealth, median)
    median = np.where(mode == Mode.DEPOSIT, income * 0.42, median)
    sigma = np.where(mode == Mode.DEPOSIT, 0.35, sigma)
    soles = median * np.exp(sigma * rng.standard_normal(len(account)))
    draw = rng.random(len(account))
    buying = (mode == Mode.SHOP) | (mode == Mode.ONLINE) | (mode == Mode.TRANSFER)
    soles = np.where(buying & (draw < 0.004), soles * (5 + 3000 * draw), soles)  # bought once in a while
    notes = np.maximum(np.round(soles / 20), 1) * 20  # machines give notes of 20 and more
    soles = np.where(mode == Mode.ATM, np.minimum(notes, 3000), soles)
    rounded = (mode == Mode.WALLET) | (mode == Mode.AGENT) | (mode == Mode.BRANCH)
    soles = np.where(rounded & (draw > 0.3), np.maximum(np.round(soles), 1), soles)
    priced = (mode == Mode.SHOP) & (draw > 0.45)
    soles = np.where(priced, np.maximum(np.round(soles * 2) / 2 - 0.10, 0.5), soles)
    return np.where(mode == Mode.VERIFICATION, np.where(draw < 0.7, 0.0, 1.0), soles)


def _pays_in_dollars(merchants: Merchants, merchant: Array, mode: Array, rng: np.random.Generator) -> Array:
    draw = rng.random(len(merchant))
    abroad = (merchant != NONE) & (merchants.city[merchant] >= ABROAD)
    in_dollars: Array = (abroad & (draw < 0.8)) | ((mode == Mode.TRANSFER) & (draw < 0.08))
    return in_dollars


def _device_and_ip(
    accounts: Accounts, account: Array, channel: Array, day: Array, rng: np.random.Generator
) -> tuple[Array, Array]:
    draw = rng.random(len(account))
    screen = np.isin(channel, [Channel.ECOMMERCE, Channel.MOBILE, Channel.WEB])
    computer = (channel == Channel.WEB) | (
        (channel == Channel.ECOMMERCE) & accounts.has_computer[account] & (draw < 0.4)
    )
    slot = np.where(computer, 2, (day >= accounts.new_phone_day[account]).astype(np.int64))
    device = np.where(screen, account.astype(np.int64) * DEVICES + slot, NONE)
    network = np.where(computer | (draw > 0.65), 190, 179)  # at home, or through the phone's network
    host = rng.integers(0, 1 << 24, len(account))
    at_home = (account.astype(np.int64) * 2_654_435_761) % (1 << 24)
    ip = (network << 24) | np.where(network == 190, at_home, host)
    return device, np.where(screen, ip, 0)
