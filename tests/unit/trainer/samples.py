"""Small rows with a pattern in them, models fitted on them, exported, published, and run by ONNX Runtime."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from kuntur.bundle.bundle import Manifest, Registry, Thresholds, TrainingWindow
from kuntur.features import FEATURE_NAMES
from trainer.calibration import Calibration, PlattCalibration
from trainer.confined.session import run, session
from trainer.dataset.rows import TrainingRows
from trainer.export import build_onnx
from trainer.gate import Verdict
from trainer.models import FAMILIES, FittedModel
from trainer.progress import Silent
from trainer.release.candidate import ServedModel
from trainer.release.manifest import BundleName, TrainingData, build_manifest, name_beside_live
from trainer.release.publish import publish
from trainer.settings.judging import GateSettings

CALIBRATION = PlattCalibration(0.8, -0.3)
NAMES = (*FEATURE_NAMES[:4], "attribute.risk_band")
WINDOW = TrainingWindow(
    train_start_time="2024-01-01T00:00:00+00:00",
    train_end_time="2024-03-01T00:00:00+00:00",
    validation_start_time="2024-03-08T00:00:00+00:00",
    validation_end_time="2024-03-22T00:00:00+00:00",
    label_delay_days=7,
)


class Heard(Silent):
    """Keeps the notes it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        """Keeps the note."""
        self.notes.append(text)


def features(n: int, columns: int = 5, seed: int = 0) -> npt.NDArray[np.float32]:
    """Returns float32 [n, columns] of several scales, a tenth of them unset."""
    chance = np.random.default_rng(seed)
    values = (chance.normal(size=(n, columns)) * 10.0 ** np.arange(columns)).astype(np.float32)
    values[chance.random(values.shape) < 0.1] = np.nan
    return values


def training_rows(n: int = 1500, columns: int = 5, seed: int = 0) -> TrainingRows:
    """Returns rows of which about a sixth are fraud, for a reason and by chance."""
    values = features(n, columns, seed)
    known = np.nan_to_num(values)
    noise = np.random.default_rng(seed + 1).normal(size=n)
    label = known[:, 0] + np.sign(known[:, -1]) + 0.5 * noise > 1.3
    age_days = np.linspace(90, 0, n, dtype=np.float32)
    return TrainingRows(values, label.astype(np.float32), np.ones(n, dtype=np.float32), age_days)


def parameters(name: str, **changes: Any) -> dict[str, Any]:
    """Returns a family's usual settings, small."""
    few: dict[str, Any] = {"trees": 6} if name == "random_forest" else {}
    if name == "xgboost":  # so few rows as here would hardly be split by the shipped recipe
        few = {"min_child_weight": 1.0, "colsample_bytree": 0.6, "reg_lambda": 1.0}
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


def served_model(name: str = "xgboost", **changes: Any) -> ServedModel:
    """Returns a model that passed the export gate."""
    rows = features(400, seed=9)
    onnx = changes.get("onnx") or build_onnx(fitted(name), CALIBRATION, 5)
    fields: dict[str, Any] = {
        "parameters": {"algorithm": name, "max_depth": 5, "learning_rate": 0.08, "imbalance": "none"},
        "feature_names": NAMES,
        "columns": np.arange(5),
        "importance": np.ones(5),
        "calibration": CALIBRATION,
        "onnx": onnx,
        "explanation": None,
        "parity": {"rows": 400.0},
        "thresholds": Thresholds(review=0.3, decline=0.7, rationale="budget"),
        "calibrate_features": rows,
        "calibrate_probability": run(session(onnx), rows),
    }
    return ServedModel(**(fields | changes))


def training_data(**changes: Any) -> TrainingData:
    """Returns what the models of these tests learnt from."""
    return replace(TrainingData("ab" * 32, WINDOW, 400, 60), **changes)


def manifest_of(name: BundleName, model: ServedModel | None = None, **changes: Any) -> Manifest:
    """Returns the manifest of a model; changes: metrics, verdict, or fields of its data."""
    metrics = changes.pop("metrics", {"average_precision": 0.5})
    verdict = changes.pop("verdict", Verdict(True, False, "", (), "in words"))
    data = training_data(**changes)
    return build_manifest(name, served_model() if model is None else model, data, metrics, verdict)


def published(
    registry: Path, model: ServedModel | None = None, *, promoted: bool = True, **changes: Any
) -> str:
    """Publishes a model and returns its version; changes: of the data that it learnt from."""
    chosen, target = served_model() if model is None else model, Registry(registry)
    name = name_beside_live(chosen, training_data(**changes), GateSettings(), target)
    verdict = Verdict(promoted, False, "", (), "in words")
    publish(target, manifest_of(name, chosen, verdict=verdict, **changes), chosen, {"a.json": b"{}\n"})
    return name.version
