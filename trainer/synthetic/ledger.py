"""Amounts and balances: what each row takes from its account or adds to it, in order of time."""

from __future__ import annotations

import numpy as np

from kuntur.transaction import TransactionType
from trainer.synthetic.places import SOLES_A_DOLLAR
from trainer.synthetic.rows import Array, Rows


class Ledger:
    """Balances of the accounts in céntimos, carried from one period to the next.

    An account never falls below zero: money that is missing counts as paid in just before, by ways
    that the bank's records of these channels do not show.
    """

    def __init__(self, opening: Array) -> None:
        self._balance = opening.astype(np.int64).copy()

    def post(self, rows: Rows) -> tuple[Array, Array]:
        """Books rows, which are in order of time.

        Returns the amount of each row in minor units of its own currency, and the balance before it
        in minor units of that currency, both int64 [n].
        """
        available = self._balance[rows.account]
        drains = ~np.isnan(rows.balance_share)
        share = np.where(drains, rows.balance_share, 0.0)
        soles = np.where(drains, np.maximum(available / 100 * share, 20.0), rows.soles)
        rate = np.where(rows.in_dollars, SOLES_A_DOLLAR, 1.0)
        amount = np.round(soles / rate * 100).astype(np.int64)
        check = rows.type == TransactionType.VERIFICATION
        amount = np.where(check, amount, np.maximum(amount, 10))
        comes_in = (rows.type == TransactionType.DEPOSIT) | (rows.type == TransactionType.REFUND)
        change = np.round(np.where(comes_in, amount, -amount) * rate).astype(np.int64)
        change[check] = 0
        before = self._book(rows.account, change)
        return amount, np.round(before / rate).astype(np.int64)

    def _book(self, account: Array, change: Array) -> Array:
        order = np.argsort(account, kind="stable")
        who, moved = account[order], change[order]
        if not len(who):
            return np.zeros(0, dtype=np.int64)
        first = np.flatnonzero(np.r_[True, who[1:] != who[:-1]])
        segment = np.cumsum(np.r_[True, who[1:] != who[:-1]]) - 1
        total = np.cumsum(moved)
        after = total - (total[first] - moved[first])[segment] + self._balance[who]
        # The lowest balance so far, account by account in one pass: a step down between accounts that
        # is larger than any balance keeps one account's minimum from reaching the next.
        step = np.int64(np.abs(after).max() + 1) * 2
        lowest = np.minimum.accumulate(after - segment * step) + segment * step
        missing = np.maximum(-lowest, 0)
        last = np.r_[first[1:], len(who)] - 1
        self._balance[who[last]] = (after + missing)[last]
        before = np.empty(len(who), dtype=np.int64)
        before[order] = after - moved + missing
        return before
