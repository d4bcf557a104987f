"""Account takeover: someone else spends as the holder."""

from __future__ import annotations

import numpy as np

from kuntur.transaction import Channel, TransactionType
from trainer.synthetic.config import SyntheticConfig
from trainer.synthetic.places import ABROAD, Kind
from trainer.synthetic.population import Population
from trainer.synthetic.rows import NONE, Cause, Rows, make_rows
from trainer.synthetic.schemes.incidents import MINUTE, at_hours, foreign_device, incidents


def account_takeover(
    config: SyntheticConfig, population: Population, count: int, rng: np.random.Generator
) -> Rows:
    """Someone else signs in from a new device, at an odd hour, in another place, and spends a lot."""
    who = incidents(config, Cause.ACCOUNT_TAKEOVER, np.arange(len(population.accounts)), (3, 7), count, rng)
    number, account = len(who.account), who.account[who.of]
    night = rng.random(number) < 0.7
    start = np.where(night, at_hours(who.start_us, (0, 5), rng), who.start_us)
    time = start[who.of] + who.step * rng.integers(8 * MINUTE, 70 * MINUTE, number)[who.of]
    abroad = ABROAD + rng.integers(0, 7, number)
    elsewhere = (population.accounts.city[who.account] + rng.integers(1, ABROAD, number)) % ABROAD
    city = np.where(rng.random(number) < 0.55, abroad, elsewhere).astype(np.int16)[who.of]
    online = rng.random(len(who.of)) < 0.6
    shop = population.merchants.pick(Kind.SHOP, city, rng)
    shop = np.where(online, population.merchants.pick(Kind.ONLINE, city, rng), shop)
    device, ip = foreign_device(population, who.of, rng)
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
