"""Which frauds stay below the review threshold, and what they have in common.

A reason here is a fact about the transaction that the features tell, and that explains why little speaks for
fraud: it is no cause. It counts for something where it holds for more of the missed frauds than of the found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from trainer.evaluation.bootstrap import Flags, Float64, Interval
from trainer.evaluation.proportion import share_interval
from trainer.evaluation.segments import Segment

Float32 = npt.NDArray[np.float32]
FIRST_OF_WINDOW = "first_of_window"
_FEWEST = 10  # amounts that are added up before the sum is told


@dataclass(frozen=True, slots=True)
class Reason:
    """A fact about a transaction; feature: of the catalogue, which tells it; holds: of its values."""

    name: str
    text: str
    feature: str
    holds: Callable[[Float32], npt.NDArray[Any]]


REASONS = (
    Reason("no_fraud_of_account", "no fraud of the account had been reported before", "account_fraud_count",
           lambda values: values == 0),
    Reason("short_history", "the account had fewer than 5 transactions before", "account_total_count",
           lambda values: ~(values >= 5)),
    Reason("usual_amount", "the amount is like the account's others (within a standard deviation)",
           "account_log_amount_zscore", lambda values: np.abs(values) < 1),
    Reason("no_burst", "at most one other transaction of the account within 24 hours", "account_count_24h",
           lambda values: ~(values > 1)),
    Reason("merchant_without_report", "no fraud at the merchant had been reported for 30 days",
           "merchant_fraud_count_30d", lambda values: values == 0),
    Reason("no_merchant", "no merchant is named", "merchant_count_24h", np.isnan),
    Reason("known_merchant", "the account had bought at the merchant before", "is_new_merchant",
           lambda values: values == 0),
    Reason("known_device", "the account had used the device before", "is_new_device",
           lambda values: values == 0),
    Reason("no_device", "no device is named", "is_new_device", np.isnan),
    Reason("known_payee", "the account had paid the counterparty before", "is_new_counterparty",
           lambda values: values == 0),
    Reason("by_day", "it was made by day (7:00 to 23:59)", "is_night", lambda values: values == 0),
    Reason("home_country", "the merchant is in the home country", "is_cross_border",
           lambda values: values == 0),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class MissedPart:
    """The frauds of one name of one segment.

    missed_share: of them, with its interval; money, money_missed: of the frauds and of the missed ones, in
    units of the main currency; None where they are fewer than ten, so that no single amount can be told.
    """

    segment: str
    name: str
    frauds: int
    missed: int
    missed_share: Interval
    money: float | None
    money_missed: float | None


@dataclass(frozen=True, slots=True)
class MissedReason:
    """A reason among the frauds.

    of_missed, of_found: shares of the missed and of the found frauds for which it holds; missed_where: share
    missed of those for which it holds, missed_elsewhere: of the others.
    """

    name: str
    text: str
    frauds: int
    of_missed: Interval
    of_found: Interval
    missed_where: Interval
    missed_elsewhere: Interval


@dataclass(frozen=True, slots=True)
class Misses:
    """whole: all frauds; parts: by segment, those without a fraud left out; reasons: what sets the missed
    apart most first; untold: reasons of which the data say nothing.
    """

    whole: MissedPart
    parts: tuple[MissedPart, ...]
    reasons: tuple[MissedReason, ...]
    untold: tuple[str, ...]


def misses(
    label: Flags,
    found: Flags,
    amount: Float64,
    account: npt.NDArray[np.int64],
    segments: Mapping[str, Segment],
    features: Mapping[str, Float32],
) -> Misses:
    """Returns what was missed and why, of rows in event order.

    label: bool [n]; found: bool [n], at or above the review threshold; amount: float64 [n], of one currency;
    account: int64 [n]; segments: of the rows, a segment of kinds of fraud among them where the data tell it;
    features: float32 [n] by name, those that are known.
    """
    frauds = np.flatnonzero(label)
    missed, account = ~found[frauds], account[frauds]
    money = amount[frauds]
    parts = []
    for kind, segment in segments.items():
        of_frauds = segment.rows(frauds)
        for name in of_frauds.names:
            inside = of_frauds.of(name)
            if inside.any():
                parts.append(_part(kind, name, missed[inside], money[inside], account[inside]))
    told = {reason: features[reason.feature][frauds] for reason in REASONS if reason.feature in features}
    reasons = [
        _reason(reason.name, reason.text, reason.holds(values).astype(np.bool_), missed, account)
        for reason, values in told.items()
    ]
    first = np.zeros(len(frauds), dtype=np.bool_)
    first[np.unique(account, return_index=True)[1]] = True
    text = "it is the account's first fraud of the test window"
    reasons.append(_reason(FIRST_OF_WINDOW, text, first, missed, account))
    reasons = [reason for reason in reasons if reason.frauds]
    reasons.sort(key=lambda reason: (-_apart(reason), reason.name))
    untold = tuple(reason.text for reason in REASONS if reason not in told)
    return Misses(_part("", "", missed, money, account), tuple(parts), tuple(reasons), untold)


def _apart(reason: MissedReason) -> float:
    """Returns how much more often it holds for the missed; nothing where either kind is not there."""
    apart = reason.of_missed.value - reason.of_found.value
    return 0.0 if np.isnan(apart) else apart


def _part(kind: str, name: str, missed: Flags, money: Float64, account: npt.NDArray[np.int64]) -> MissedPart:
    return MissedPart(
        segment=kind,
        name=name,
        frauds=len(missed),
        missed=int(missed.sum()),
        missed_share=share_interval(missed, np.ones(len(missed)), account),
        money=_sum(money),
        money_missed=_sum(money[missed]),
    )


def _sum(money: Float64) -> float | None:
    return None if 0 < len(money) < _FEWEST else float(money.sum())


def _reason(
    name: str, text: str, holds: Flags, missed: Flags, account: npt.NDArray[np.int64]
) -> MissedReason:
    return MissedReason(
        name=name,
        text=text,
        frauds=int(holds.sum()),
        of_missed=share_interval(holds & missed, missed, account),
        of_found=share_interval(holds & ~missed, ~missed, account),
        missed_where=share_interval(holds & missed, holds, account),
        missed_elsewhere=share_interval(~holds & missed, ~holds, account),
    )
