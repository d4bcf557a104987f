"""Synthetic transactions of Peruvian banks, for trying things out where no real data may be used.

Who takes part: accounts with an income, a home among Peruvian cities, an hour of the day, one or two
devices, shops and payees they keep coming back to; merchants with a category, a place, a country and
customers. What they do: card purchases near home and online, cash machines, agents, wallets, transfers,
bills, salaries on pay days, refunds, verifications; mostly in soles, some in dollars. Amounts are
log-normal by category and income; balances follow the movements.

What makes detection hard but not hopeless: honest customers travel, change their phone, pay new people
and buy something big once in a while, and frauds often have ordinary amounts.

Each fraud has a cause, never a coin toss on the label:

- card_testing: minutes of tiny or zero amounts at one online shop, then a big purchase;
- account_takeover: new device, other city or country, often at night, several high amounts;
- compromised_merchant: a shop copies its customers' cards for three weeks; days later they are used
  there, online or in another city;
- cash_out: the balance leaves in a few transfers to an account never paid before;
- mule_network: stolen money reaches customers' accounts and leaves them within hours, by way of a collector;
- push_payment: the holder is talked into paying, with the own device, more than ever, to someone new;
- stolen_phone: instant transfers in minutes, up to the limit of the day;
- sim_swap: another phone is enrolled, a quiet time follows, then the balance leaves.

The first four are the scenario `classic`, the default. `full` has all of them, in a world with instant
transfers, honest look-alikes, seasons, and a mix and amounts of fraud that change over the months.

Labels come late: a fraud is reported after a log-normal lag (median 4 days, at most 45), a legitimate
transaction counts as confirmed after 30 days without complaint. Every row is labelled in the end.

The numbers are plausible, not measured: a model that works here has shown that the machinery works,
nothing about real fraud.
"""

from __future__ import annotations

from trainer.synthetic.config import KINDS, SCENARIOS, SyntheticConfig
from trainer.synthetic.generate import generate, pieces, write

__all__ = ["KINDS", "SCENARIOS", "SyntheticConfig", "generate", "pieces", "write"]
