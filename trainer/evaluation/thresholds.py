"""Where REVIEW and DECLINE begin: from what analysts can look at, or from what each decision costs.

How well the model does at them is `trainer.evaluation.evaluate`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from trainer.evaluation.bootstrap import Weighted
from trainer.evaluation.figures import per_day
from trainer.settings.judging import ThresholdSettings

if TYPE_CHECKING:
    from kuntur.bundle.bundle import Thresholds

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class RowCosts:
    """What each decision on each transaction costs, float64 [n] each, in units of the amount's currency."""

    approve: Float64
    review: Float64
    decline: Float64

    @classmethod
    def of(
        cls, fraud: Flags | npt.NDArray[np.floating], amount: Float64, settings: ThresholdSettings
    ) -> RowCosts:
        """Returns costs by example (Elkan, 2001; Bahnsen and others, 2013, for costs that go by the amount).

        fraud: bool [n] for costs that were had, a probability [n] for costs to expect; amount: float64 [n].
        """
        lost = fraud * amount * settings.fraud_loss_share
        left = lost * (1 - settings.review_recovery_share)
        wrong = settings.wrong_decline_cost + settings.wrong_decline_share * amount
        return cls(lost, settings.investigation_cost + left, (1.0 - fraud) * wrong)

    def by_row(self, reviewed: Flags, declined: Flags) -> Float64:
        """Returns the costs, float64 [n], when these rows are looked at and those are stopped at once."""
        return np.where(declined, self.decline, np.where(reviewed, self.review, self.approve))

    def total(self, reviewed: Flags, declined: Flags) -> float:
        """Adds these costs up."""
        return float(self.by_row(reviewed, declined).sum())


def choose(
    probability: Float32,
    label: Flags,
    amount: Float64,
    days: float,
    settings: ThresholdSettings,
    currency: str = "",
) -> Thresholds:
    """Chooses thresholds on rows that the model did not learn from; by rank, which needs no labels, on these.

    probability: calibrated, float32 [n]; label: bool [n]; amount: float64 [n], units of `currency`, 0 for
    what is in another; days: length of the window.
    """
    if settings.method == "cost":
        return _by_cost(probability, label, amount, days, settings, currency)
    return _by_budget(probability, days, settings)


def by_rank(probability: Float32, days: float, settings: ThresholdSettings) -> Thresholds:
    """Chooses thresholds on the newest rows, whose labels are not known yet, so that the alerts keep to it.

    probability: float32 [n]; days: over which the rows spread.
    """
    return _by_budget(probability, days, settings, "newest days, whose labels are not known yet")


def costs_per_day(
    label: Flags,
    probability: Float32,
    amount: Float64,
    days: float,
    chosen: Thresholds,
    settings: ThresholdSettings,
) -> dict[str, Weighted]:
    """Returns what thresholds cost a day on a window, and what doing nothing would have; of any method.

    By name, each as a function of the rows' weights, float64 [n].
    """
    costs = RowCosts.of(label, amount, settings)
    reviewed, declined = _decisions(probability, chosen.review, chosen.decline)
    return {
        "cost_per_day": per_day(costs.by_row(reviewed, declined), days),
        "cost_per_day_of_doing_nothing": per_day(costs.approve, days),
    }


def _by_budget(
    probability: Float32, days: float, settings: ThresholdSettings, of: str = "days of its calibration"
) -> Thresholds:
    review = _for_alerts(probability, settings.review_alerts_per_day * days)
    decline = max(review, _for_alerts(probability, settings.decline_alerts_per_day * days))
    rationale = (
        f"Alert budget: at most {settings.review_alerts_per_day:g} reviews a day, of which at most "
        f"{settings.decline_alerts_per_day:g} are declined, on the {days:.4g} {of}."
    )
    return _thresholds(review, decline, rationale)


def _for_alerts(probability: Float32, alerts: float) -> float:
    """Returns the lowest threshold that raises at most so many alerts on these rows."""
    allowed = int(alerts)
    if allowed >= len(probability):
        return 0.0
    return _above(np.sort(probability)[::-1][allowed])


def _above(score: np.float32) -> float:
    """Returns the threshold just above a score, so that its equals stay below as well."""
    return float(min(np.nextafter(score, np.float32(2)), np.float32(1)))


def _by_cost(
    probability: Float32,
    label: Flags,
    amount: Float64,
    days: float,
    settings: ThresholdSettings,
    currency: str,
) -> Thresholds:
    """Tries every pair of thresholds that tells the rows apart and takes the cheapest.

    Of rows by falling probability the first d are declined and the first r >= d reviewed or declined. Their
    cost is a sum of what declining adds over reviewing in the first d, and of what reviewing adds over
    approving in the first r: so the best d for each r is a running minimum, and all pairs take one pass.
    """
    order = np.argsort(-probability, kind="stable")
    ranked = probability[order]
    costs = RowCosts.of(label[order], amount[order], settings)
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)) + 1 if len(ranked) else ranked
    cuts = np.concatenate([[0], ends]).astype(np.intp)
    declining = np.append(0.0, np.cumsum(costs.decline - costs.review))[cuts]
    reviewing = np.append(0.0, np.cumsum(costs.review - costs.approve))[cuts]
    best = int(np.argmin(np.minimum.accumulate(declining) + reviewing))
    first = int(np.argmin(declining[: best + 1]))
    review, decline = (
        0.0 if cuts[place] == len(ranked) else _above(ranked[cuts[place]]) for place in (best, first)
    )
    reviewed, declined = _decisions(probability, review, decline)
    had, expected = (
        RowCosts.of(fraud, amount, settings) for fraud in (label, probability.astype(np.float64))
    )
    rationale = (
        f"{_matrix_in_words(settings, currency)} On the {days:g} days of its calibration these thresholds "
        f"cost {had.total(reviewed, declined) / days:,.2f} a day, against "
        f"{had.approve.sum() / days:,.2f} for doing nothing, with "
        f"{(reviewed & ~declined).sum() / days:,.1f} reviews and {declined.sum() / days:,.1f} declines a "
        f"day. By its probabilities {expected.total(reviewed, declined) / days:,.2f} a day were to be "
        "expected."
    )
    return _thresholds(review, max(review, decline), rationale)


def _decisions(probability: Float32, review: float, decline: float) -> tuple[Flags, Flags]:
    return probability >= np.float32(review), probability >= np.float32(decline)


def _matrix_in_words(settings: ThresholdSettings, currency: str) -> str:
    money = f" {currency}" if currency else ""
    share = f" and {_percent(settings.wrong_decline_share)} of the amount"
    return (
        f"Costs: a fraud that passes loses {_percent(settings.fraud_loss_share)} of its amount; a review "
        f"costs {settings.investigation_cost:g}{money} and saves {_percent(settings.review_recovery_share)} "
        f"of that loss; a wrongly declined customer costs {settings.wrong_decline_cost:g}{money}"
        f"{share if settings.wrong_decline_share else ''}."
    )


def _percent(share: float) -> str:
    return f"{100 * share:g} %"


def _thresholds(review: float, decline: float, rationale: str) -> Thresholds:
    # Imported here because every process of a search would wait for what a bundle loads.
    from kuntur.bundle.bundle import Thresholds

    return Thresholds(review=review, decline=decline, rationale=rationale)
