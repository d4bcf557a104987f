"""Whether customers of one kind are stopped for nothing, or left unprotected, more than others.

Judged by false alerts, what a customer bears who did nothing, and by recall, how well the model protects
(equalised odds: Hardt, Price and Srebro, 2016). Of what the data do not tell, nothing can be judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from trainer.evaluation.bootstrap import Flags, Interval
from trainer.evaluation.proportion import share_interval
from trainer.evaluation.segments import Segment

_LEVEL = 0.05  # chance that any group is told apart though none is


@dataclass(frozen=True, slots=True)
class Group:
    """Customers of one kind.

    false_alerts: share of their legitimate transactions that reach the review threshold; false_declines: the
    decline threshold; recall: of their frauds. more_false_alerts, less_recall: whether these are beyond those
    of everybody, and beyond what is chance in so many groups.
    """

    by: str
    name: str
    rows: int
    legitimate: int
    frauds: int
    false_alerts: Interval
    false_declines: Interval
    recall: Interval
    more_false_alerts: bool
    less_recall: bool


@dataclass(frozen=True, slots=True)
class Fairness:
    """whole: everybody; groups: by what is known of customers, in its order; by: what that is."""

    whole: Group
    groups: tuple[Group, ...]
    by: tuple[str, ...]


def fairness(
    label: Flags,
    alert: Flags,
    decline: Flags,
    account: npt.NDArray[np.int64],
    groups: Mapping[str, Segment],
) -> Fairness:
    """Returns how customers of each kind fare.

    label, alert, decline: bool [n], the latter of rows that reach a threshold; account: int64 [n]; groups: by
    what is known, those of a single name left out.
    """
    several = {by: group for by, group in groups.items() if len(np.unique(group.code)) > 1}
    parts = [
        (by, name, np.flatnonzero(members))
        for by, group in several.items()
        for name in group.names
        if (members := group.of(name)).any()
    ]
    whole = _group("", "", label, alert, decline, account)
    # Bonferroni: two questions a group.
    z = NormalDist().inv_cdf(1 - _LEVEL / (2 * max(len(parts), 1)))
    found = []
    for by, name, rows in parts:
        said = label[rows], alert[rows], decline[rows], account[rows]
        found.append(_group(by, name, *said, z=z, whole=whole))
    return Fairness(whole, tuple(found), tuple(several))


def _group(
    by: str,
    name: str,
    label: Flags,
    alert: Flags,
    decline: Flags,
    account: npt.NDArray[np.int64],
    z: float = 0.0,
    whole: Group | None = None,
) -> Group:
    false, caught = alert & ~label, alert & label
    more = less = False
    if whole is not None:
        more = share_interval(false, ~label, account, z).low > whole.false_alerts.value
        less = share_interval(caught, label, account, z).high < whole.recall.value
    return Group(
        by=by,
        name=name,
        rows=len(label),
        legitimate=int((~label).sum()),
        frauds=int(label.sum()),
        false_alerts=share_interval(false, ~label, account),
        false_declines=share_interval(decline & ~label, ~label, account),
        recall=share_interval(caught, label, account),
        more_false_alerts=more,
        less_recall=less,
    )
