"""A fitted model as it will be served: calibrated, exported, proved equal, explained, with its thresholds.

Whether it is better than what is live is left to `gate`; what a validator reads of it, to `dossier`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kuntur.bundle.bundle import Thresholds
from trainer import calibration
from trainer.calibration import Calibration
from trainer.confined.session import run, session
from trainer.dataset.windows import Window, Windows
from trainer.evaluation import thresholds
from trainer.export import build_explanation, build_onnx, check_parity
from trainer.fitting.fit import Fitted
from trainer.fitting.settled import Settled
from trainer.models import Parameters
from trainer.settings.config import TrainerSettings

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model that passed the export gate.

    parameters: of the recipe that was fitted; feature_names: its inputs in order; columns: their places
    among all; importance: float64 [features]; onnx: the graph; explanation: None for a model without
    reasons; calibrate_features: float32 [n, features] of the calibration window, with calibrate_probability
    float32 [n] by ONNX Runtime; of a refit these are rows that it learnt from.
    """

    parameters: Parameters
    feature_names: tuple[str, ...]
    columns: npt.NDArray[np.intp]
    importance: npt.NDArray[np.float64]
    calibration: Calibration
    onnx: bytes
    explanation: bytes | None
    parity: dict[str, float]
    thresholds: Thresholds
    calibrate_features: Float32
    calibrate_probability: Float32

    @property
    def settled(self) -> Settled:
        """Its calibration with its thresholds."""
        return Settled(self.calibration, self.thresholds)

    @property
    def algorithm(self) -> str:
        """Kind of estimator."""
        return str(self.parameters["algorithm"])

    def inputs(self, window: Window) -> Float32:
        """Returns the model's inputs of a window, float32 [n, features]."""
        return window.held.only(self.columns).load()


def prepare(
    fitted: Fitted,
    names: tuple[str, ...],
    rows: Windows,
    settings: TrainerSettings,
    currency: str,
    carried: Settled | None = None,
) -> ServedModel:
    """Calibrates, exports and checks a fitted model and sets its thresholds. Raises ParityError.

    names: of the columns of rows; currency: of their amounts; carried: what was settled before for a fit that
    learnt from the calibration window as well; None settles it there.
    """
    model, columns = fitted.model, fitted.columns
    chosen = tuple(names[column] for column in columns)
    windows = (rows.select, rows.calibrate, rows.test)
    select, calibrate, test = (window.held.only(columns).load() for window in windows)
    method = settings.calibration.method
    calibrated = (
        calibration.fit(model.margin(calibrate), rows.calibrate.label, method)
        if carried is None
        else carried.calibration
    )
    onnx = build_onnx(model, calibrated, len(chosen))
    parity = check_parity(model, calibrated, onnx, np.concatenate([select, calibrate, test]))
    probability = run(session(onnx), calibrate)
    return ServedModel(
        parameters=fitted.parameters,
        feature_names=chosen,
        columns=columns,
        importance=model.importance(),
        calibration=calibrated,
        onnx=onnx,
        explanation=build_explanation(model, calibrated, calibrate),
        parity=parity,
        thresholds=thresholds.choose(
            probability,
            rows.calibrate.label,
            rows.calibrate.amount,
            settings.split.calibrate_days,
            settings.thresholds,
            currency,
        )
        if carried is None
        else carried.thresholds,
        calibrate_features=calibrate,
        calibrate_probability=probability,
    )
