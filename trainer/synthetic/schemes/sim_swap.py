"""SIM swap: the phone number is moved to another phone, and the account with it."""

from __future__ import annotations

import numpy as np

from kuntur.transaction import Channel, TransactionType
from trainer.synthetic.config import SyntheticConfig
from trainer.synthetic.population import Population
from trainer.synthetic.reach import phone_address
from trainer.synthetic.rows import NONE, Cause, Rows, make_rows
from trainer.synthetic.schemes.incidents import (
    HOUR,
    MINUTE,
    foreign_device,
    holds_money,
    incidents,
    new_payees,
)


def sim_swap(config: SyntheticConfig, population: Population, count: int, rng: np.random.Generator) -> Rows:
    """A new phone is enrolled, which a verification shows; a quiet time follows, then the balance leaves.

    The password is reset in the quiet time of two to twenty hours, which leaves no transaction. Two to five
    transfers go to one or two payees never paid before, from the new phone and the country's own networks.
    """
    accounts = population.accounts
    eligible = holds_money(accounts)
    worth_it = (0.05 + accounts.digital[eligible]) * np.sqrt(accounts.opening_balance[eligible])
    who = incidents(config, Cause.SIM_SWAP, eligible, (3, 6), count, rng, worth_it)
    number, account = len(who.account), who.account[who.of]
    enrolling = who.step == 0
    quiet = rng.integers(2 * HOUR, 20 * HOUR, number)[who.of]
    gap = rng.integers(3 * MINUTE, 20 * MINUTE, number)[who.of]
    time = who.start_us[who.of] + np.where(enrolling, 0, quiet + (who.step - 1) * gap)
    device, _ = foreign_device(population, who.of, rng)
    payees = new_payees(accounts, 2 * number, 0.25, rng).reshape(number, 2)
    used = rng.integers(1, 3, number)[who.of]
    share = 0.45 * 0.6 ** np.maximum(who.step - 1, 0) * rng.uniform(0.8, 1.15, number)[who.of]
    return make_rows(
        time,
        account,
        counterparty=np.where(enrolling, NONE, payees[who.of, who.step % used]),
        type=np.where(enrolling, TransactionType.VERIFICATION, TransactionType.TRANSFER),
        channel=Channel.MOBILE,
        soles=0.0,
        device=device,
        ip=phone_address(len(account), rng),
        cause=Cause.SIM_SWAP,
        balance_share=np.where(enrolling, np.nan, share),
    )
