"""Bundles of fitted models that explain themselves, as the trainer makes them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kuntur.bundle.bundle import Registry, write_bundle
from tests.support.bundles import FEATURES, manifest
from trainer.calibration import PlattCalibration
from trainer.confined.session import run, session
from trainer.dataset.rows import TrainingRows
from trainer.export import build_explanation, build_onnx
from trainer.models import FAMILIES, FittedModel

CALIBRATION = PlattCalibration(1.0, 0.0)
_OF_SHARES = PlattCalibration(8.0, -4.0)  # a forest's margin lies between 0 and 1
_SETTINGS: dict[str, dict[str, float]] = {
    "xgboost": {"rounds": 20, "max_depth": 3, "learning_rate": 0.3},
    "random_forest": {"trees": 10, "tree_depth": 6, "column_share": 1.0, "leaf_rows": 5},
    "logistic_regression": {"inverse_penalty": 1.0},
}


def inputs(n: int = 2_000) -> npt.NDArray[np.float32]:
    """Returns rows of FEATURES, float32 [n, 4]; a fifth of the risk bands unset."""
    chance = np.random.default_rng(5)
    amount = chance.lognormal(4, 1, n)
    band = np.where(chance.random(n) < 0.2, np.nan, chance.normal(size=n) * 3)
    return np.column_stack([amount, np.log1p(amount), chance.poisson(3, n), band]).astype(np.float32)


@cache
def fitted(algorithm: str) -> FittedModel:
    """Fits a model to which a high risk band means fraud, and many transactions a day mean it a little."""
    rows = inputs()
    label = np.nan_to_num(rows[:, 3]) + 0.2 * rows[:, 2] > 1.5
    weight = np.ones(len(rows), dtype=np.float32)
    training = TrainingRows(rows, label.astype(np.float32), weight, np.zeros_like(weight))
    return FAMILIES[algorithm].fit(training, _SETTINGS[algorithm], threads=1, seed=1)


def calibration_of(algorithm: str) -> PlattCalibration:
    """Returns the calibration in the bundle of a model."""
    return _OF_SHARES if algorithm == "random_forest" else CALIBRATION


def explanation(algorithm: str) -> bytes:
    """Returns what explains the fitted model."""
    content = build_explanation(fitted(algorithm), calibration_of(algorithm), inputs())
    assert content is not None
    return content


def publish_explained(registry: Path, version: str, algorithm: str, content: bytes | None = None) -> Path:
    """Writes the bundle of a fitted model with what explains it, or with `content`, and chooses it."""
    model = build_onnx(fitted(algorithm), calibration_of(algorithm), len(FEATURES))
    golden = inputs(64)
    registry.mkdir(parents=True, exist_ok=True)
    described = manifest(version, algorithm=algorithm)
    explained = explanation(algorithm) if content is None else content
    path = write_bundle(registry, described, model, golden, run(session(model), golden), {}, explained)
    Registry(registry).set_live(version)
    return path
