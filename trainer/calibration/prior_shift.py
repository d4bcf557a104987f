"""A share of fraud that moved since the calibration, estimated from rows without labels.

Where only the share p of fraud changes to q, and not what frauds and others look like, Bayes' rule moves
every log-odds by the same amount: logit(q) − logit(p). Expectation maximisation finds q (Saerens and others,
2002): the mean of the probabilities so moved must be q itself. Where frauds look otherwise than before, that
is another change and q is not its measure; hence the limit. Nothing is moved for what may be chance, by their
likelihood-ratio test.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trainer.calibration.base import Calibration

_STEPS = 1_000
_EXACT = 1e-9
_LEAST = 1e-7
_BEYOND_CHANCE = 6.63  # of chi-squared with one degree of freedom: one case in a hundred by chance


@dataclass(frozen=True, slots=True)
class PriorShift:
    """What was found: the share calibrated for, the share estimated, and by what log-odds are moved.

    limited: whether the move was cut off at the limit.
    """

    calibrated_share: float
    estimated_share: float
    log_odds: float
    limited: bool

    def told(self) -> str:
        """Says so, for the rationale of a calibration."""
        if not self.log_odds:
            return (
                f"Left as it is: a share of fraud of {self.estimated_share:.3%}, estimated on the newest "
                f"days, may be chance beside {self.calibrated_share:.3%} when calibrated."
            )
        cut = ", as far as the limit allows" if self.limited else ""
        return (
            f"Moved by {self.log_odds:+.3f} in log-odds for a share of fraud estimated at "
            f"{self.estimated_share:.3%} on the newest days, {self.calibrated_share:.3%} when calibrated"
            f"{cut}."
        )


def estimated_share(probability: npt.NDArray[np.floating], share: float) -> float:
    """Returns the share of fraud among rows, by expectation maximisation from their probabilities alone.

    probability: float [n], calibrated on rows of which `share` were fraud; both between 0 and 1.
    """
    p = np.clip(probability.astype(np.float64), _LEAST, 1 - _LEAST)
    odds, before = p / (1 - p), share / (1 - share)
    found = share
    for _ in range(_STEPS):
        moved = odds * (found / (1 - found) / before)
        now = float(np.clip((moved / (1 + moved)).mean(), _LEAST, 1 - _LEAST))
        done, found = abs(now - found) <= _EXACT * found, now
        if done:
            break
    return found


def beyond_chance(probability: npt.NDArray[np.floating], share: float, found: float) -> bool:
    """Tells whether rows speak for a share that was found rather than for the one calibrated for.

    By the likelihood ratio, whose logarithm, doubled, is chi-squared where the share did not change.
    """
    p = np.clip(probability.astype(np.float64), _LEAST, 1 - _LEAST)
    ratio = np.log(p * (found / share) + (1 - p) * ((1 - found) / (1 - share))).sum()
    return bool(2 * ratio > _BEYOND_CHANCE)


def prior_shift(
    calibrated: Calibration, margin: npt.NDArray[np.float32], share: float, max_factor: float
) -> PriorShift:
    """Returns what moves a calibration to the share of fraud of newer rows.

    margin: float32 [n], of the newer rows; share: of fraud among those calibrated on; max_factor: by which
    the odds of fraud are multiplied or divided at the most.
    """
    probability = calibrated.probability(margin)
    found = estimated_share(probability, share)
    if not beyond_chance(probability, share, found):
        return PriorShift(share, found, 0.0, limited=False)
    wanted = math.log(found / (1 - found)) - math.log(share / (1 - share))
    limit = math.log(max_factor)
    return PriorShift(share, found, max(-limit, min(limit, wanted)), abs(wanted) > limit)
