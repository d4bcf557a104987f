"""Honest look-alikes: what customers do now and then that has the shape of a fraud and is none.

Without them, one sign alone would tell a kind of fraud: a large first payment, several payments in a row up
to the limit, money that comes in and leaves the same day, a new phone before a transfer.
"""

from __future__ import annotations

import numpy as np

from kuntur.transaction import Channel, TransactionType
from trainer.synthetic.calendar import DAY_US
from trainer.synthetic.config import SyntheticConfig
from trainer.synthetic.population import DEVICES, NEVER, Accounts, Population
from trainer.synthetic.reach import own_phone, own_screen, phone_address, someone_elsewhere, without_self
from trainer.synthetic.rows import NONE, Array, Cause, Rows, concatenate, make_rows
from trainer.synthetic.schemes.incidents import HOUR, MINUTE, at_hours, holds_money, incidents

# Large first payments, payments in parts, pots, money passed on, new phones.
_SHARES = (0.25, 0.15, 0.15, 0.2, 0.25)


def lookalikes(config: SyntheticConfig, population: Population, count: int, rng: np.random.Generator) -> Rows:
    """Returns honest rows, `count` of them less those for which nobody has a new phone."""
    edges = np.round(np.cumsum((0.0, *_SHARES)) * count).astype(int)
    large, parts, pots, passed, phones = (int(part) for part in np.diff(edges))
    return concatenate(
        [
            _large_first_payments(config, population, large, rng),
            _in_parts(config, population, parts, rng),
            _pots(config, population, pots, rng),
            _passed_on(config, population, passed, rng),
            _new_phones(config, population, phones, rng),
        ]
    )


def _someone(accounts: Accounts, account: Array, rng: np.random.Generator) -> Array:
    """Returns someone never paid before, most likely: half of them at another bank."""
    who = rng.integers(0, len(accounts), len(account))
    inside = without_self(accounts, account, who)
    return np.where(rng.random(len(account)) < 0.5, inside, someone_elsewhere(accounts, who))


def _large_first_payments(
    config: SyntheticConfig, population: Population, count: int, rng: np.random.Generator
) -> Rows:
    """A used car, a deposit for a flat, a loan to a cousin: one to three payments to someone new."""
    accounts = population.accounts
    who = incidents(config, Cause.LEGITIMATE, holds_money(accounts), (1, 3), count, rng)
    number, account = len(who.account), who.account[who.of]
    time = (
        at_hours(who.start_us, (8, 21), rng)[who.of]
        + who.step * rng.integers(5 * MINUTE, 30 * HOUR, number)[who.of]
    )
    soles = 420 * accounts.spending[who.account] * rng.lognormal(0.5, 0.8, number)
    channel, device, ip = own_screen(accounts, account, time, 0.4, rng)
    branch = (rng.random(number) < 0.12)[who.of]
    return make_rows(
        time,
        account,
        counterparty=_someone(accounts, who.account, rng)[who.of],
        type=TransactionType.TRANSFER,
        channel=np.where(branch, Channel.BRANCH, channel),
        soles=np.round(soles[who.of] * rng.choice([0.5, 1.0, 1.0, 1.6], len(account)) / 10) * 10 + 10,
        device=np.where(branch, NONE, device),
        ip=np.where(branch, 0, ip),
    )


def _in_parts(config: SyntheticConfig, population: Population, count: int, rng: np.random.Generator) -> Rows:
    """A rent or a bill that is larger than the limit of an instant transfer, paid in two to four of them."""
    accounts = population.accounts
    eligible = holds_money(accounts)
    who = incidents(config, Cause.LEGITIMATE, eligible, (2, 4), count, rng, 0.05 + accounts.digital[eligible])
    number, account = len(who.account), who.account[who.of]
    start = at_hours(who.start_us, (8, 24), rng)
    time = start[who.of] + who.step * rng.integers(20_000_000, 4 * MINUTE, number)[who.of]
    limit = min(config.instant_limit_soles, config.instant_daily_limit_soles / 4)
    rest = np.floor(limit * rng.uniform(0.2, 1.0, number)[who.of] / 10) * 10
    known = accounts.payees[who.account, rng.integers(0, accounts.payees.shape[1], number)]
    new = rng.random(number) < 0.5
    payee = np.where(new, _someone(accounts, who.account, rng), without_self(accounts, who.account, known))
    return make_rows(
        time,
        account,
        counterparty=payee[who.of],
        type=TransactionType.TRANSFER,
        channel=Channel.MOBILE,
        soles=np.where(who.step == who.last, np.maximum(rest, 1), limit),
        device=own_phone(accounts, account, time),
        ip=phone_address(len(account), rng),
    )


def _pots(config: SyntheticConfig, population: Population, count: int, rng: np.random.Generator) -> Rows:
    """A junta or a gift for a colleague: four to nine people pay one, who pays it out the same day."""
    accounts = population.accounts
    who = incidents(config, Cause.LEGITIMATE, holds_money(accounts), (5, 10), count, rng)
    number, account = len(who.account), who.account[who.of]
    paying_out = who.step == who.last
    share = (np.round(rng.lognormal(5.0, 0.7, number) / 10) * 10 + 20)[who.of]
    start = at_hours(who.start_us, (7, 20), rng)
    time = start[who.of] + np.where(
        paying_out, rng.integers(130, 420, len(account)) * MINUTE, rng.integers(0, 120, len(account)) * MINUTE
    )
    channel, device, ip = own_screen(accounts, account, time, 0.3, rng)
    return make_rows(
        time,
        account,
        counterparty=_someone(accounts, account, rng),
        type=np.where(paying_out, TransactionType.TRANSFER, TransactionType.DEPOSIT),
        channel=np.where(paying_out, channel, Channel.MOBILE),
        soles=np.where(paying_out, share * who.last * rng.uniform(0.85, 1.0, len(account)), share),
        device=np.where(paying_out, device, NONE),
        ip=np.where(paying_out, ip, 0),
    )


def _passed_on(config: SyntheticConfig, population: Population, count: int, rng: np.random.Generator) -> Rows:
    """A remittance or a sale: money comes from another bank and most of it is passed on within hours."""
    accounts = population.accounts
    who = incidents(config, Cause.LEGITIMATE, holds_money(accounts), (2, 3), count, rng)
    number, account = len(who.account), who.account[who.of]
    received = who.step == 0
    start = at_hours(who.start_us, (6, 23), rng)
    wait = rng.integers(4 * MINUTE, 5 * HOUR, number)[who.of]
    time = start[who.of] + who.step * wait
    credit = (900 * rng.lognormal(0, 0.7, number))[who.of]
    part = credit / np.maximum(who.last, 1) * rng.uniform(0.6, 1.0, len(account))
    known = accounts.payees[account, rng.integers(0, accounts.payees.shape[1], len(account))]
    known = without_self(accounts, account, known)
    someone = _someone(accounts, account, rng)
    sender = someone_elsewhere(accounts, rng.integers(0, len(accounts), len(account)))
    payee = np.where(rng.random(len(account)) < 0.6, someone, known)
    channel, device, ip = own_screen(accounts, account, time, 0.2, rng)
    return make_rows(
        time,
        account,
        counterparty=np.where(received, sender, payee),
        type=np.where(received, TransactionType.DEPOSIT, TransactionType.TRANSFER),
        channel=np.where(received, Channel.MOBILE, channel),
        soles=np.where(received, credit, part),
        device=np.where(received, NONE, device),
        ip=np.where(received, 0, ip),
    )


def _new_phones(
    config: SyntheticConfig, population: Population, count: int, rng: np.random.Generator
) -> Rows:
    """Customers enrol their new phone, which a verification shows, and send money with it hours later."""
    accounts = population.accounts
    able = holds_money(accounts)
    changed = able[(accounts.new_phone_day[able] != NEVER) & (accounts.new_phone_day[able] < config.days - 2)]
    if not len(changed):
        return make_rows(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int32))
    who = incidents(config, Cause.LEGITIMATE, changed, (2, 4), count, rng)
    number, account = len(who.account), who.account[who.of]
    enrolling = who.step == 0
    day_us = accounts.new_phone_day[who.account].astype(np.int64) * DAY_US
    time = at_hours(day_us, (6, 24), rng)[who.of] + np.where(
        enrolling, 0, rng.integers(1 * HOUR, 20 * HOUR, number)[who.of] + who.step * 20 * MINUTE
    )
    known = accounts.payees[account, rng.integers(0, accounts.payees.shape[1], len(account))]
    known = without_self(accounts, account, known)
    new = rng.random(len(account)) < 0.4
    soles = 250 * accounts.spending[account] * rng.lognormal(0.2, 0.9, len(account))
    return make_rows(
        time,
        account,
        counterparty=np.where(enrolling, NONE, np.where(new, _someone(accounts, account, rng), known)),
        type=np.where(enrolling, TransactionType.VERIFICATION, TransactionType.TRANSFER),
        channel=Channel.MOBILE,
        soles=np.where(enrolling, 0.0, soles),
        device=account.astype(np.int64) * DEVICES + 1,
        ip=phone_address(len(account), rng),
    )
