"""What is settled on the newest days before a model is used: its probabilities and its thresholds.

    ── first fit ──────────────▶ days held out ▶ (label delay, then use)
    ── the fit that is used ───────────────────▶

A first fit leaves the newest days out, so that its margins there are of rows that it has not seen. The fit
that is used learns from those days as well, and keeps what was settled on them. Backtest and refit do so
alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from trainer import calibration
from trainer.calibration import Calibration, prior_shift
from trainer.evaluation import thresholds
from trainer.settings.judging import CalibrationSettings, ThresholdSettings

if TYPE_CHECKING:
    from kuntur.bundle.bundle import Thresholds

_LARGEST_SHARE = 3  # at most a third of the days is held out: a first fit on less would be another model


@dataclass(frozen=True, slots=True)
class Settled:
    """A calibration with the thresholds that were chosen on its probabilities."""

    calibration: Calibration
    thresholds: Thresholds


@dataclass(frozen=True, slots=True)
class Newest:
    """Rows newer than any that was learnt from, whose labels are not known yet.

    margin: float32 [n], by the fit that is used; days: over which they spread, at least one.
    """

    margin: npt.NDArray[np.float32]
    days: float


def settled(
    margin: npt.NDArray[np.float32],
    label: npt.NDArray[np.bool_],
    amount: npt.NDArray[np.float64],
    days: float,
    calibrating: CalibrationSettings,
    limits: ThresholdSettings,
    currency: str = "",
    newest: Newest | None = None,
) -> Settled:
    """Settles both on rows that the fit of these margins did not learn from.

    margin: float32 [n]; label: bool [n], of both kinds; amount: float64 [n], units of `currency`, 0 for what
    is in another; days: over which the rows spread; newest: later rows, for what the settings ask of them.
    """
    calibrated = calibration.fit(margin, label, calibrating.method)
    if calibrating.prior_shift and newest is not None:
        shift = prior_shift(calibrated, newest.margin, float(label.mean()), calibrating.max_prior_shift)
        calibrated = calibrated.moved(shift.log_odds, f"{calibrated.rationale} {shift.told()}")
    if limits.method == "rank" and newest is not None:
        return Settled(
            calibrated, thresholds.by_rank(calibrated.probability(newest.margin), newest.days, limits)
        )
    chosen = thresholds.choose(calibrated.probability(margin), label, amount, days, limits, currency)
    return Settled(calibrated, chosen)


def days_held_out(asked: float, learnt_days: float) -> float:
    """Returns how many of the newest days are held out: those asked for, a third of all at the most.

    learnt_days: days from the first row to learn from to the last. Of three days and less it is one.
    """
    return min(asked, max(learnt_days // _LARGEST_SHARE, 1))
