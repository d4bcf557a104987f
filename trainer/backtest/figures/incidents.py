"""Incidents: the frauds that one account suffers in a row, and when the first of them raised an alert.

A fraud that is found at its third payment is found, and yet half the money may be gone. Which rows are alerts
is left to those who ask.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

GAP_DAYS = 7
_GAP_US = GAP_DAYS * 86_400_000_000
_HOUR_US = 3_600_000_000


def incident_numbers(
    time_us: npt.NDArray[np.int64], account: npt.NDArray[np.int64], kind: npt.NDArray[np.int32]
) -> npt.NDArray[np.int64]:
    """Returns the incident of each row, int64 [n], from 0; -1 for rows that are no fraud.

    An incident is the frauds of one account and kind, each at most GAP_DAYS after the one before. time_us:
    int64 [n], ascending; account: int64 [n]; kind: int32 [n], -1 for rows that are no fraud.
    """
    numbers = np.full(len(kind), -1, dtype=np.int64)
    frauds = np.flatnonzero(kind >= 0)
    if not len(frauds):
        return numbers
    order = frauds[np.lexsort((frauds, kind[frauds], account[frauds]))]
    apart = np.diff(time_us[order]) > _GAP_US
    other = (np.diff(account[order]) != 0) | (np.diff(kind[order]) != 0)
    numbers[order] = np.append(0, np.cumsum(apart | other))
    return numbers


@dataclass(frozen=True, slots=True)
class FirstAlerts:
    """Incidents and the first alert of each.

    row: intp [m], the first row of each; place: int64 [m], which of its frauds was the first alert, from 1, 0
    without one; hours: float64 [m], from its first fraud to that alert, NaN without one; early: bool [m],
    whether less than half of the money had gone before that alert.
    """

    row: npt.NDArray[np.intp]
    place: npt.NDArray[np.int64]
    hours: npt.NDArray[np.float64]
    early: npt.NDArray[np.bool_]

    @property
    def found(self) -> npt.NDArray[np.bool_]:
        """Which had an alert at all, bool [m]."""
        return self.place > 0

    def take(self, chosen: npt.NDArray[np.bool_]) -> FirstAlerts:
        """Returns some of the incidents."""
        return FirstAlerts(self.row[chosen], self.place[chosen], self.hours[chosen], self.early[chosen])


def first_alerts(
    incident: npt.NDArray[np.int64],
    time_us: npt.NDArray[np.int64],
    amount: npt.NDArray[np.float64],
    alert: npt.NDArray[np.bool_],
) -> FirstAlerts:
    """Returns the first alerts of the incidents that have rows here, by the number of the incident.

    incident: int64 [n], -1 for rows of none; time_us: int64 [n], ascending; amount: float64 [n], of one
    currency; alert: bool [n]. The alert itself stops its transaction: what is gone is what came before. Where
    an incident moves no money in that currency, its transactions count instead.
    """
    rows = np.flatnonzero(incident >= 0)
    rows = rows[np.argsort(incident[rows], kind="stable")]
    if not len(rows):
        nothing = np.zeros(0, dtype=np.int64)
        return FirstAlerts(nothing, nothing, np.zeros(0), np.zeros(0, dtype=np.bool_))
    starts = np.flatnonzero(np.append(True, np.diff(incident[rows]) != 0))
    of = np.cumsum(np.append(False, np.diff(incident[rows]) != 0))
    place = np.arange(len(rows)) - starts[of]
    sizes = np.diff(np.append(starts, len(rows)))
    money = np.add.reduceat(amount[rows], starts)
    weight = np.where(money[of] > 0, amount[rows], 1.0)
    total = np.add.reduceat(weight, starts)
    cumulative = np.cumsum(weight)
    gone = cumulative - weight - (cumulative[starts] - weight[starts])[of]
    first = np.minimum.reduceat(np.where(alert[rows], place, len(rows)), starts)
    found = first < sizes
    at = starts + np.where(found, first, 0)
    hours = (time_us[rows[at]] - time_us[rows[starts]]) / _HOUR_US
    return FirstAlerts(
        row=rows[starts],
        place=np.where(found, first + 1, 0),
        hours=np.where(found, hours, np.nan),
        early=found & (gone[at] < total / 2),
    )
