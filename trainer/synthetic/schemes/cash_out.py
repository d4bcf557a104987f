"""Cash-out: the balance leaves within an hour, by malware or because the holder is made to send it."""

from __future__ import annotations

import numpy as np

from kuntur.transaction import Channel, TransactionType
from trainer.synthetic.config import SyntheticConfig
from trainer.synthetic.population import Population
from trainer.synthetic.reach import MULES, home_address, own_phone
from trainer.synthetic.rows import Cause, Rows, make_rows
from trainer.synthetic.schemes.incidents import MINUTE, foreign_device, holds_money, incidents


def cash_out(config: SyntheticConfig, population: Population, count: int, rng: np.random.Generator) -> Rows:
    """Within an hour the balance leaves in a few transfers to an account never paid before."""
    accounts = population.accounts
    who = incidents(config, Cause.CASH_OUT, holds_money(accounts), (2, 5), count, rng)
    number, account = len(who.account), who.account[who.of]
    time = who.start_us[who.of] + who.step * rng.integers(2 * MINUTE, 15 * MINUTE, number)[who.of]
    device, ip = foreign_device(population, who.of, rng)
    own = (rng.random(number) < 0.4)[who.of]  # by malware, or by talking the customer into it
    return make_rows(
        time,
        account,
        counterparty=(len(accounts) + rng.integers(0, MULES, number))[who.of],
        type=TransactionType.TRANSFER,
        channel=np.where(rng.random(number) < 0.75, Channel.MOBILE, Channel.WEB)[who.of],
        soles=50.0,
        device=np.where(own, own_phone(accounts, account, time), device),
        ip=np.where(own, home_address(account), ip),
        cause=Cause.CASH_OUT,
        balance_share=0.55 * 0.5**who.step * rng.uniform(0.8, 1.2, number)[who.of],
    )
