"""Card precision at k, the Fraud Detection Handbook's figure for a team that can examine k cards a day.

Each day a card scores the highest of its transactions, and the k highest cards are examined. The figure is
the share of compromised ones among k (k stays the divisor), averaged over the days that have transactions.
A compromised card that was found is withdrawn from all later days.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trainer.backtest.figures.scored import Scored


@dataclass(frozen=True, slots=True)
class CardDays:
    """The cards of each day, the highest score first; of equal scores the lower account number first.

    account: int64 [m]; compromised: bool [m], whether any transaction of the card's day was fraud; row:
    intp [m], some row of the card; starts: intp [days + 1], where each day begins; accounts: how many numbers
    of accounts there are; k: cards examined a day.
    """

    account: npt.NDArray[np.int64]
    compromised: npt.NDArray[np.bool_]
    row: npt.NDArray[np.intp]
    starts: npt.NDArray[np.intp]
    accounts: int
    k: int

    @classmethod
    def of(cls, rows: Scored, k: int) -> CardDays:
        """Gathers the cards of each day."""
        order = np.lexsort((rows.account, rows.day))
        account, day = rows.account[order], rows.day[order]
        first = np.flatnonzero(
            np.append(True, (account[1:] != account[:-1]) | (day[1:] != day[:-1]))[: len(order)]
        )
        if not len(first):
            nothing = np.zeros(0, dtype=np.intp)
            return cls(account, rows.label, nothing, np.zeros(1, dtype=np.intp), 0, k)
        score = np.maximum.reduceat(rows.score[order], first)
        compromised = np.logical_or.reduceat(rows.label[order], first)
        ranked = np.lexsort((account[first], -score, day[first]))
        days = day[first][ranked]
        starts = np.flatnonzero(np.append(True, days[1:] != days[:-1]))
        return cls(
            account[first][ranked],
            compromised[ranked],
            order[first][ranked],
            np.append(starts, len(days)),
            int(account.max()) + 1,
            k,
        )

    def __call__(self, weight: npt.NDArray[np.float64]) -> float:
        """Returns the card precision of rows of these weights, float64 [n]; a card weighs as its rows do."""
        hits = self.found(weight)
        return float(np.mean(hits) / self.k) if len(hits) else float("nan")

    def found(self, weight: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Returns how many compromised cards are found each day, float64 [days]."""
        withdrawn = np.zeros(self.accounts, dtype=np.bool_)
        hits = np.zeros(len(self.starts) - 1)
        for day, (start, end) in enumerate(zip(self.starts[:-1], self.starts[1:], strict=True)):
            account = self.account[start:end]
            copies = weight[self.row[start:end]] * ~withdrawn[account]
            # Of a card that was drawn several times, so many copies are examined as still fit into k.
            examined = np.clip(self.k - (np.cumsum(copies) - copies), 0, copies)
            caught = examined * self.compromised[start:end]
            hits[day] = caught.sum()
            withdrawn[account[caught > 0]] = True
        return hits
