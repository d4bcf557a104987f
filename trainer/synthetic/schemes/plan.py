"""Fraud, always with a cause: schemes planned for the whole time before any day is generated.

Planning ahead makes the number of frauds exact and lets a scheme last for weeks, whatever the size of
the pieces in which the days are generated. Honest rows that a scheme needs (the purchase at which a
card is copied, the credit that a mule passes on) are planned with it, and so are honest look-alikes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from trainer.synthetic.calendar import DAY_US
from trainer.synthetic.config import SyntheticConfig
from trainer.synthetic.population import Population
from trainer.synthetic.rows import CAUSE_NAMES, Array, Cause, Rows, concatenate, make_rows
from trainer.synthetic.schemes.account_takeover import account_takeover
from trainer.synthetic.schemes.card_testing import card_testing
from trainer.synthetic.schemes.cash_out import cash_out
from trainer.synthetic.schemes.compromised_merchant import compromised_merchant
from trainer.synthetic.schemes.incidents import HOUR
from trainer.synthetic.schemes.lookalikes import lookalikes
from trainer.synthetic.schemes.mule_network import mule_network
from trainer.synthetic.schemes.push_payment import push_payment
from trainer.synthetic.schemes.sim_swap import sim_swap
from trainer.synthetic.schemes.stolen_phone import stolen_phone

Scheme = Callable[[SyntheticConfig, Population, int, np.random.Generator], Rows]

_SCHEMES: dict[Cause, Scheme] = {
    Cause.CARD_TESTING: card_testing,
    Cause.ACCOUNT_TAKEOVER: account_takeover,
    Cause.COMPROMISED_MERCHANT: compromised_merchant,
    Cause.CASH_OUT: cash_out,
    Cause.MULE_NETWORK: mule_network,
    Cause.PUSH_PAYMENT: push_payment,
    Cause.STOLEN_PHONE: stolen_phone,
    Cause.SIM_SWAP: sim_swap,
}
# The amounts of these are set by a limit, whatever the year.
_LIMITED = {Cause.STOLEN_PHONE}


def plan(config: SyntheticConfig, population: Population, rng: np.random.Generator) -> Rows:
    """Returns exactly `config.frauds` frauds, and the honest rows that belong to them, in order of time."""
    parts = [_nothing()]
    for cause, count in fraud_counts(config).items():
        if config.fraud_mix.get(CAUSE_NAMES[cause]):
            part = _SCHEMES[cause](config, population, count, rng)
            parts.append(part if cause in _LIMITED else _by_trend(config, part))
    if config.lookalike_share:
        count = round(config.lookalike_share * config.transactions)
        parts.append(lookalikes(config, population, count, rng))
    rows = concatenate(parts)
    # A scheme that is still at it when the period ends does the rest in the last hours.
    end = config.days * DAY_US
    time = np.where(rows.time_us < end, rows.time_us, end - 1 - (rows.time_us - end) % (6 * HOUR))
    rows = replace(rows, time_us=time)
    return rows.take(np.argsort(rows.time_us, kind="stable"))


def fraud_counts(config: SyntheticConfig) -> dict[Cause, int]:
    """Returns how many frauds each kind has; together exactly `config.frauds`."""
    weight = np.array([config.fraud_mix.get(CAUSE_NAMES[cause], 0.0) for cause in _SCHEMES])
    shares = weight / weight.sum() if weight.sum() else weight
    edges = np.round(np.cumsum([0.0, *shares]) * config.frauds).astype(int)
    return dict(zip(_SCHEMES, (int(count) for count in np.diff(edges)), strict=True))


def _by_trend(config: SyntheticConfig, rows: Rows) -> Rows:
    """Returns the rows with amounts that grow from the first day to the last as the config says."""
    if config.amount_trend == 1:
        return rows
    grown: Array = 1 + (config.amount_trend - 1) * rows.time_us / (config.days * DAY_US)
    return replace(rows, soles=rows.soles * grown)


def _nothing() -> Rows:
    return make_rows(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int32))
