"""A judged model into the registry: its bundle with golden rows, and `LIVE` where the verdict says so."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from kuntur.bundle.bundle import Manifest, Registry, write_bundle
from kuntur.bundle.signing import SigningKey
from trainer.release.candidate import ServedModel

GOLDEN_ROWS = 256


def golden_rows(probability: npt.NDArray[np.float32]) -> npt.NDArray[np.intp]:
    """Chooses rows spread evenly over the scores, so that every region of the model is replayed."""
    order = np.argsort(probability, kind="stable")
    places = np.unique(np.linspace(0, len(order) - 1, num=min(GOLDEN_ROWS, len(order))).astype(np.intp))
    return order[places]


def publish(
    registry: Registry,
    manifest: Manifest,
    model: ServedModel,
    documents: dict[str, bytes],
    keys: Sequence[SigningKey] = (),
    judged: bytes | None = None,
) -> None:
    """Writes the bundle unless it is there, signed with the keys, and makes a champion the one to be live.

    judged: graph of the fit that the figures are of, where it is not the model's.
    """
    if manifest.model_version not in registry.versions():
        registry.path.mkdir(parents=True, exist_ok=True)
        chosen = golden_rows(model.calibrate_probability)
        write_bundle(
            registry.path,
            manifest,
            model.onnx,
            model.calibrate_features[chosen],
            model.calibrate_probability[chosen],
            documents,
            model.explanation,
            keys,
            judged,
        )
    if manifest.role == "champion":
        registry.set_live(manifest.model_version)
