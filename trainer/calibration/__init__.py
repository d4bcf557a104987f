"""Probabilities that mean what they say: from raw margins, fitted on a slice later than the training."""

from trainer.calibration.base import Calibration
from trainer.calibration.choice import Method, fit
from trainer.calibration.isotonic import IsotonicCalibration, fit_isotonic
from trainer.calibration.platt import PlattCalibration, fit_platt
from trainer.calibration.prior_shift import PriorShift, beyond_chance, estimated_share, prior_shift

__all__ = [
    "Calibration",
    "IsotonicCalibration",
    "Method",
    "PlattCalibration",
    "PriorShift",
    "beyond_chance",
    "estimated_share",
    "fit",
    "fit_isotonic",
    "fit_platt",
    "prior_shift",
]
