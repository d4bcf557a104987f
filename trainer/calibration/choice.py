"""Which calibration a slice warrants: Platt's line unless many frauds show that it is not one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedKFold

from trainer.calibration.base import Calibration
from trainer.calibration.isotonic import IsotonicCalibration, fit_isotonic
from trainer.calibration.platt import PlattCalibration, fit_platt
from trainer.wording import moved, number

Method = Literal["auto", "platt", "isotonic"]
Float32 = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]

# Isotonic regression needs about a thousand rows of information before it beats Platt's two numbers
# (Niculescu-Mizil and Caruana, 2005); where fraud is rare, each fraud tells as much as many rows.
FEW_FRAUDS = 100
_FOLDS = 5


def fit(margin: Float32, label: Flags, method: Method = "auto") -> Calibration:
    """Fits a calibration on rows that the model did not learn from; both classes must be there.

    "auto": Platt's below 100 frauds (or as many legitimate rows). Above, each kind is fitted on four fifths
    and judged by log loss on the fifth left out, the fifths in order of time; isotonic is taken where its
    mean log loss is lower by more than one standard error of the difference by row, and its mean Brier score
    is no higher.
    """
    if method == "platt":
        return replace(fit_platt(margin, label), rationale="Platt's, as the settings say.")
    if method == "isotonic":
        return replace(fit_isotonic(margin, label), rationale="Isotonic, as the settings say.")
    return _chosen(margin, label)


def _chosen(margin: Float32, label: Flags) -> PlattCalibration | IsotonicCalibration:
    rarer = min(int(label.sum()), int((~label).sum()))
    if rarer < FEW_FRAUDS:
        few = f"Platt's: {rarer:,} rows of the rarer class are too few for more than two numbers."
        return replace(fit_platt(margin, label), rationale=few)
    loss, brier = _loss_by_row(margin, label, fit_platt) - _loss_by_row(margin, label, fit_isotonic)
    gain, error = float(loss.mean()), float(loss.std(ddof=1) / np.sqrt(len(loss)))
    found = (
        f"on left-out fifths isotonic {moved('log loss', gain)} (standard error {number(error)}) and "
        f"{moved('Brier score', float(brier.mean()))}"
    )
    if gain > error and brier.mean() >= 0:
        return replace(fit_isotonic(margin, label), rationale=f"Isotonic: {found}.")
    return replace(fit_platt(margin, label), rationale=f"Platt's: {found}, which is not enough.")


def _loss_by_row(
    margin: Float32, label: Flags, fit_one: Callable[[Float32, Flags], Calibration]
) -> npt.NDArray[np.float64]:
    """Returns log loss and squared error of each row by the fit that did not see it, float64 [2, n]."""
    losses = np.empty((2, len(margin)))
    for rest, left_out in StratifiedKFold(_FOLDS).split(margin[:, None], label):
        z = fit_one(margin[rest], label[rest]).log_odds(margin[left_out].astype(np.float64))
        truth = label[left_out]
        losses[0, left_out] = np.logaddexp(0, np.where(truth, -z, z))
        losses[1, left_out] = (np.exp(-np.logaddexp(0, -z)) - truth) ** 2
    return losses
