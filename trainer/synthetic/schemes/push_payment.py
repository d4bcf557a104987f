"""Authorised push payment: the holder is talked into paying, and so does it as ever."""

from __future__ import annotations

import numpy as np

from kuntur.transaction import Channel, TransactionType
from trainer.synthetic.config import SyntheticConfig
from trainer.synthetic.population import Population
from trainer.synthetic.reach import own_screen
from trainer.synthetic.rows import NONE, Cause, Rows, make_rows
from trainer.synthetic.schemes.incidents import HOUR, MINUTE, at_hours, holds_money, incidents, new_payees


def push_payment(
    config: SyntheticConfig, population: Population, count: int, rng: np.random.Generator
) -> Rows:
    """One to four payments to a payee never paid before, by day, with the own device or at a branch.

    The first is already unusual for the holder, and each is larger than the one before; they come minutes or
    days apart. Holders of old accounts are more often talked to.
    """
    accounts = population.accounts
    eligible = holds_money(accounts)
    age = np.minimum(accounts.age_days[eligible], 6_000)
    who = incidents(config, Cause.PUSH_PAYMENT, eligible, (1, 4), count, rng, age + 200)
    number, account = len(who.account), who.account[who.of]
    first = at_hours(who.start_us, (8, 20), rng)
    soon = rng.integers(6 * MINUTE, 80 * MINUTE, number)
    days = rng.integers(1, 3, number) * 24 * HOUR + rng.integers(-60 * MINUTE, 60 * MINUTE, number)
    time = first[who.of] + who.step * np.where(rng.random(number) < 0.55, soon, days)[who.of]
    start = 320 * accounts.spending[who.account] * rng.lognormal(0.4, 0.7, number)
    growth = rng.uniform(1.15, 1.9, number)
    soles = start[who.of] * growth[who.of] ** who.step
    channel, device, ip = own_screen(accounts, account, time, 0.4, rng)
    branch = (rng.random(number) < 0.1)[who.of]
    return make_rows(
        time,
        account,
        counterparty=new_payees(accounts, number, 0.25, rng)[who.of],
        type=TransactionType.TRANSFER,
        channel=np.where(branch, Channel.BRANCH, channel),
        soles=np.where(rng.random(len(soles)) < 0.6, np.round(soles / 50) * 50 + 50, soles),
        device=np.where(branch, NONE, device),
        ip=np.where(branch, 0, ip),
        cause=Cause.PUSH_PAYMENT,
    )
