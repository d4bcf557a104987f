"""Small rows with a pattern in them, models fitted on them, and the exported model run by ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from trainer.calibration import Calibration
from trainer.export import build_onnx
from trainer.models import FAMILIES, FittedModel
from trainer.rows import TrainingRows

CALIBRATION = Calibration(0.8, -0.3)


def features(n: int, columns: int = 5, seed: int = 0) -> npt.NDArray[np.float32]:
    """Gives float32 [n, columns] of several scales, a tenth of them unset."""
    chance = np.random.default_rng(seed)
    values = (chance.normal(size=(n, columns)) * 10.0 ** np.arange(columns)).astype(np.float32)
    values[chance.random(values.shape) < 0.1] = np.nan
    return values


def training_rows(n: int = 1500, columns: int = 5, seed: int = 0) -> TrainingRows:
    """Gives rows of which about a sixth are fraud, for a reason and by chance."""
    values = features(n, columns, seed)
    known = np.nan_to_num(values)
    noise = np.random.default_rng(seed + 1).normal(size=n)
    label = known[:, 0] + np.sign(known[:, -1]) + 0.5 * noise > 1.3
    return TrainingRows(values, label.astype(np.float32), np.ones(n, dtype=np.float32))


def parameters(name: str, **changes: Any) -> dict[str, Any]:
    """Gives a family's usual settings, small."""
    few = {"trees": 6} if name == "random_forest" else {}
    return {"algorithm": name, **FAMILIES[name].usual(12), **few, **changes}


def fitted(name: str, rows: TrainingRows | None = None, **changes: Any) -> FittedModel:
    """Fits a small model."""
    chosen = training_rows() if rows is None else rows
    return FAMILIES[name].fit(chosen, parameters(name, **changes), threads=1, seed=3)


def served(model: FittedModel, columns: int = 5, calibration: Calibration = CALIBRATION) -> Any:
    """Opens the exported model as a server does; called with rows it gives their probabilities."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    exported = build_onnx(model, calibration, columns)
    session = ort.InferenceSession(exported, options, providers=["CPUExecutionProvider"])
    return lambda rows: session.run(None, {"features": rows})[0]
