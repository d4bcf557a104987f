"""Card testing: a stolen card number is tried with tiny amounts, then used."""

from __future__ import annotations

import numpy as np

from kuntur.transaction import Channel, TransactionType
from trainer.synthetic.config import SyntheticConfig
from trainer.synthetic.places import Kind
from trainer.synthetic.population import Population
from trainer.synthetic.rows import Cause, Rows, make_rows
from trainer.synthetic.schemes.incidents import HOUR, MINUTE, foreign_device, incidents


def card_testing(
    config: SyntheticConfig, population: Population, count: int, rng: np.random.Generator
) -> Rows:
    """A stolen card is tried with tiny amounts at one online shop; if it works, a big purchase follows."""
    who = incidents(config, Cause.CARD_TESTING, np.arange(len(population.accounts)), (6, 13), count, rng)
    number, big = len(who.account), who.step == who.last
    gap = np.where(
        big, rng.integers(10 * MINUTE, 6 * HOUR, len(who.of)), rng.integers(0, 30_000_000, len(who.of))
    )
    time = who.start_us[who.of] + who.step * 60_000_000 + gap
    anywhere = np.full(number, -1, dtype=np.int16)
    tried = population.merchants.pick(Kind.ONLINE, anywhere, rng)
    bought = population.merchants.pick(Kind.ONLINE, anywhere, rng)
    nothing = ~big & (rng.random(len(big)) < 0.4)
    account = who.account[who.of]
    large = 500 * population.accounts.spending[account] * rng.lognormal(0.4, 0.7, len(big))
    device, ip = foreign_device(population, who.of, rng)
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
