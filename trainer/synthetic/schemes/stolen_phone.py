"""Stolen phone: the thief empties it by instant transfers before the holder can have it blocked."""

from __future__ import annotations

import numpy as np

from kuntur.transaction import Channel, TransactionType
from trainer.synthetic.config import SyntheticConfig
from trainer.synthetic.population import Population
from trainer.synthetic.reach import own_phone, phone_address
from trainer.synthetic.rows import Cause, Rows, make_rows
from trainer.synthetic.schemes.incidents import at_hours, holds_money, incidents, new_payees

_SECOND = 1_000_000


def stolen_phone(
    config: SyntheticConfig, population: Population, count: int, rng: np.random.Generator
) -> Rows:
    """Four to eight instant transfers within minutes from the holder's own phone, up to the day's limit.

    Mostly in the evening, to one to three payees never paid before, each payment up to the rail's limit.
    """
    accounts = population.accounts
    eligible = holds_money(accounts)
    who = incidents(
        config, Cause.STOLEN_PHONE, eligible, (4, 8), count, rng, 0.05 + accounts.digital[eligible]
    )
    number, account = len(who.account), who.account[who.of]
    evening = at_hours(who.start_us, (17, 24), rng)
    start = np.where(rng.random(number) < 0.65, evening, who.start_us)
    time = start[who.of] + who.step * rng.integers(20 * _SECOND, 170 * _SECOND, number)[who.of]
    each = config.instant_daily_limit_soles / (who.last + 1) * rng.uniform(0.8, 1.0, len(who.of))
    soles = np.minimum(np.maximum(np.floor(each / 10) * 10, 1), config.instant_limit_soles)
    payees = new_payees(accounts, 3 * number, 0.3, rng).reshape(number, 3)
    used = rng.integers(1, 4, number)[who.of]
    return make_rows(
        time,
        account,
        counterparty=payees[who.of, who.step % used],
        type=TransactionType.TRANSFER,
        channel=Channel.MOBILE,
        soles=soles,
        device=own_phone(accounts, account, time),
        ip=phone_address(len(account), rng),
        cause=Cause.STOLEN_PHONE,
    )
