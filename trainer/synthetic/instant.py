"""Instant transfers between people, as Yape and Plin are: small, at once, at all hours, to a phone number.

An ordinary way to pay with habits of its own: friends, one's market stall, and receipts; round amounts; most
at lunch and in the evening; never more than the limit of one payment. In the bank's records they are
transfers by phone like others, and receipts are deposits from the account that paid.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kuntur.transaction import AccountType, Channel, TransactionType
from trainer.synthetic.calendar import DAY_US
from trainer.synthetic.config import SyntheticConfig
from trainer.synthetic.population import Accounts, Population
from trainer.synthetic.reach import own_phone, phone_address, someone_elsewhere, without_self
from trainer.synthetic.rows import NONE, Array, Rows

_HOURS = np.array([2.5, 1.2, 0.6, 0.4, 0.4, 0.8, 2, 4, 5, 5, 5.5, 7, 9, 9, 7, 6, 6, 7, 9, 10, 9.5, 8, 6, 4])
_HOUR_US = 3_600_000_000
_RECEIPTS, _RECEIPTS_OF_SELLERS, _TO_SELLERS = 0.22, 0.75, 0.35
_STALLS = 4  # sellers that a customer keeps coming back to


def over_the_rail(
    rows: Rows, by_phone: Array, config: SyntheticConfig, population: Population, rng: np.random.Generator
) -> Rows:
    """Returns rows of which a share of those to people, by phone, are instant transfers.

    by_phone: bool [n], small transfers by phone. config.instant_share: the share. Payees of other transfers
    are partly at other banks then, as those of instant transfers are.
    """
    accounts = population.accounts
    paid = rows.counterparty != NONE
    counterparty = np.where(paid, _bank_of(accounts, np.where(paid, rows.counterparty, 0)), NONE)
    rows = replace(rows, counterparty=counterparty.astype(np.int32))
    here = np.flatnonzero(by_phone & (rng.random(len(rows)) < config.instant_share))
    account, count = rows.account[here], len(here)
    selling = accounts.type[account] == AccountType.BUSINESS
    received = rng.random(count) < np.where(selling, _RECEIPTS_OF_SELLERS, _RECEIPTS)
    to_seller = ~received & (rng.random(count) < _TO_SELLERS)
    hours = np.cumsum(_HOURS) / _HOURS.sum()
    hour = np.searchsorted(hours, rng.random(count), side="right")
    time = rows.time_us[here] // DAY_US * DAY_US + hour * _HOUR_US + rng.integers(0, _HOUR_US, count)
    other = np.where(to_seller, _stall(accounts, account, rng), rows.counterparty[here])
    stranger = received & selling
    anyone = without_self(accounts, account, rng.integers(0, len(accounts), count))
    other = np.where(stranger, _bank_of(accounts, anyone), other)
    columns = {
        "time_us": time,
        "counterparty": other,
        "type": np.where(received, TransactionType.DEPOSIT, TransactionType.TRANSFER),
        "channel": np.full(count, Channel.MOBILE),
        "soles": _soles(accounts, account, to_seller, config.instant_limit_soles, rng),
        "device": np.where(received, NONE, own_phone(accounts, account, time)),
        "ip": np.where(received, 0, phone_address(count, rng)),
    }
    changed = {}
    for name, values in columns.items():
        column = getattr(rows, name).copy()
        column[here] = values
        changed[name] = column
    return replace(rows, **changed)


def _soles(
    accounts: Accounts, account: Array, to_seller: Array, limit: float, rng: np.random.Generator
) -> Array:
    """Returns amounts: what a stall asks, or what friends lend and return, mostly in round numbers."""
    count = len(account)
    median = np.where(to_seller, 9.0, 20.0) * accounts.spending[account]
    soles = median * rng.lognormal(0, np.where(to_seller, 0.7, 1.0), count)
    large = ~to_seller & (rng.random(count) < 0.04)
    soles = np.where(large, rng.uniform(100, 1.3 * limit, count), soles)
    step = np.where(to_seller, 0.5, np.where(soles < 20, 1.0, 5.0))
    rounded = np.maximum(np.round(soles / step), 1) * step
    return np.minimum(np.where(rng.random(count) < 0.85, rounded, np.maximum(soles, 0.5)), limit)


def _stall(accounts: Accounts, account: Array, rng: np.random.Generator) -> Array:
    """Returns a seller whom the holder keeps coming back to, int32 [n]."""
    sellers = np.flatnonzero(accounts.type == AccountType.BUSINESS)
    if not len(sellers):
        sellers = np.arange(len(accounts))
    habit = (rng.random(len(account)) ** 2 * _STALLS).astype(np.int64)
    seller = sellers[(account.astype(np.int64) * 7_919 + habit * 104_729) % len(sellers)]
    return _bank_of(accounts, without_self(accounts, account, seller))


def _bank_of(accounts: Accounts, person: Array) -> Array:
    """Returns the account by which a person is paid: for a third of them, always the same, at another bank.

    person: account numbers; those that are elsewhere already stay.
    """
    elsewhere = (person % 3 == 0) & (person < len(accounts))
    return np.where(elsewhere, someone_elsewhere(accounts, person), person).astype(np.int32)
