"""Mule network: stolen money passes through accounts of the bank's own customers within hours."""

from __future__ import annotations

import numpy as np

from kuntur.transaction import Channel, TransactionType
from trainer.synthetic.config import SyntheticConfig
from trainer.synthetic.population import Population
from trainer.synthetic.reach import own_screen, someone_elsewhere, without_self
from trainer.synthetic.rows import NONE, Array, Cause, Rows, concatenate, make_rows
from trainer.synthetic.schemes.incidents import (
    HOUR,
    MINUTE,
    Incidents,
    drawn,
    holds_money,
    incidents,
    new_payees,
)

_MOST_MULES = 6
_CASH_SHARE = 0.3  # of what the collector pays out
_CASH_LIMIT = 3_000.0


def mule_network(
    config: SyntheticConfig, population: Population, count: int, rng: np.random.Generator
) -> Rows:
    """Two to six mules receive stolen money from other banks and pass it to a collector, who pays it out.

    What leaves these accounts is fraud. The credits before it, which the holders cannot refuse, are rows
    like any other: two for each transfer to the collector, that of the mule and that of the collector.
    Recruits are often new customers, and everyone uses the own phone at home.
    """
    accounts = population.accounts
    eligible = holds_money(accounts)
    recruited = 1 / (1 + accounts.age_days[eligible] / 200)
    who = incidents(config, Cause.MULE_NETWORK, eligible, (5, 10), count, rng, recruited)
    number = len(who.account)
    collector = who.account[who.of]
    mules = (who.last + 1) * 3 // 5
    passing = who.step < mules
    recruits = drawn(eligible, recruited, (number, _MOST_MULES), rng)
    mule = without_self(accounts, collector, recruits[who.of, np.minimum(who.step, _MOST_MULES - 1)])
    credit_us = who.start_us[who.of] + rng.integers(0, 3 * HOUR, len(who.of))
    passed_us = credit_us + rng.integers(4 * MINUTE, 4 * HOUR, len(who.of))
    credit = 900 * rng.lognormal(0, 0.6, len(who.of))
    passed = credit * rng.uniform(0.88, 0.97, len(who.of))
    paid_out = _payouts(population, who, passing, mules, passed_us, passed, rng)
    channel, device, ip = own_screen(accounts, mule, passed_us, 0.2, rng)
    moved = make_rows(
        passed_us,
        mule,
        counterparty=collector,
        type=TransactionType.TRANSFER,
        channel=channel,
        soles=passed,
        device=device,
        ip=ip,
        cause=Cause.MULE_NETWORK,
    ).take(passing)
    return concatenate([moved, paid_out, *_credits(population, mule, credit_us, credit, moved, passing, rng)])


def _payouts(
    population: Population,
    who: Incidents,
    passing: Array,
    mules: Array,
    passed_us: Array,
    passed: Array,
    rng: np.random.Generator,
) -> Rows:
    """Returns what the collectors pay out once all has come: transfers to new payees, and cash."""
    accounts, number = population.accounts, len(who.account)
    gathered_us = np.zeros(number, dtype=np.int64)
    np.maximum.at(gathered_us, who.of[passing], passed_us[passing])
    sums = np.bincount(who.of[passing], weights=passed[passing], minlength=number)
    of, account = who.of[~passing], who.account[who.of[~passing]]
    turn = (who.step - mules)[~passing]
    time: Array = gathered_us[of] + rng.integers(5 * MINUTE, 90 * MINUTE, number)[of]
    time = time + turn * rng.integers(10 * MINUTE, 60 * MINUTE, number)[of]
    part = sums[of] / (who.last + 1 - mules)[~passing] * rng.uniform(0.75, 1.0, len(of))
    cash = rng.random(len(of)) < _CASH_SHARE
    notes = np.clip(np.round(part / 20) * 20, 20, _CASH_LIMIT)
    channel, device, ip = own_screen(accounts, account, time, 0.2, rng)
    machine = accounts.atms[account, rng.integers(0, accounts.atms.shape[1], len(of))]
    return make_rows(
        time,
        account,
        merchant=np.where(cash, machine, NONE),
        counterparty=np.where(cash, NONE, new_payees(accounts, len(of), 0.1, rng)),
        type=np.where(cash, TransactionType.CASH_WITHDRAWAL, TransactionType.TRANSFER),
        channel=np.where(cash, Channel.ATM, channel),
        soles=np.where(cash, notes, part),
        device=np.where(cash, NONE, device),
        ip=np.where(cash, 0, ip),
        cause=Cause.MULE_NETWORK,
    )


def _credits(
    population: Population,
    mule: Array,
    credit_us: Array,
    credit: Array,
    moved: Rows,
    passing: Array,
    rng: np.random.Generator,
) -> tuple[Rows, Rows]:
    """Returns the credits: of mules from victims at other banks, of collectors from their mules."""
    accounts = population.accounts
    victims = someone_elsewhere(accounts, rng.integers(0, len(accounts), len(mule)))
    received = make_rows(
        credit_us,
        mule,
        counterparty=victims,
        type=TransactionType.DEPOSIT,
        channel=Channel.MOBILE,
        soles=credit,
    ).take(passing)
    collected = make_rows(
        moved.time_us + rng.integers(1_000_000, 20_000_000, len(moved)),
        moved.counterparty,
        counterparty=moved.account,
        type=TransactionType.DEPOSIT,
        channel=Channel.MOBILE,
        soles=moved.soles,
    )
    return received, collected
