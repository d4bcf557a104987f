"""How holders reach their accounts and accounts are reached: own phones and addresses, other banks."""

from __future__ import annotations

import numpy as np

from kuntur.transaction import Channel
from trainer.synthetic.calendar import DAY_US
from trainer.synthetic.population import DEVICES, Accounts
from trainer.synthetic.rows import Array

MULES = 500  # accounts elsewhere that receive stolen money, numbered after the accounts


def own_phone(accounts: Accounts, account: Array, time_us: Array) -> Array:
    """Returns the phone that the holder has at a moment, int64 [n]."""
    newer = time_us // DAY_US >= accounts.new_phone_day[account]
    return account.astype(np.int64) * DEVICES + newer


def home_address(account: Array) -> Array:
    """Returns the address of the holder's home, int64 [n]."""
    return (190 << 24) | (account.astype(np.int64) * 2_654_435_761) % (1 << 24)


def phone_address(count: int, rng: np.random.Generator) -> Array:
    """Returns addresses of the phones' network, int64 [count]."""
    return (179 << 24) | rng.integers(0, 1 << 24, count)


def own_screen(
    accounts: Accounts, account: Array, time_us: Array, web_share: float, rng: np.random.Generator
) -> tuple[Array, Array, Array]:
    """Returns channel, device and address of payments that holders make themselves, as they are used to."""
    web = accounts.has_computer[account] & (rng.random(len(account)) < web_share)
    device = np.where(web, account.astype(np.int64) * DEVICES + 2, own_phone(accounts, account, time_us))
    out = ~web & (rng.random(len(account)) < 0.65)
    address = np.where(out, phone_address(len(account), rng), home_address(account))
    return np.where(web, Channel.WEB, Channel.MOBILE).astype(np.int8), device, address


def someone_elsewhere(accounts: Accounts, who: Array) -> Array:
    """Returns the account at another bank of people who are numbered like accounts, int32 [n]."""
    return (len(accounts) + MULES + who).astype(np.int32)


def without_self(accounts: Accounts, account: Array, other: Array) -> Array:
    """Returns the other account, or the next one where it would be the same."""
    return np.where(other == account, (other + 1) % len(accounts), other).astype(np.int32)
