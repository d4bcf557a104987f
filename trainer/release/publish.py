"""What is written into a bundle beside the model: the manifest and the documents."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from kuntur.bundle.bundle import (
    BundleRefusedError,
    Manifest,
    Registry,
    Thresholds,
    TrainingWindow,
    feature_uses,
    read_bundle,
    write_bundle,
)
from kuntur.features import CATALOGUE, catalogue_fingerprint
from kuntur.time_zone import DEFAULT_TIME_ZONE
from trainer.gate import Verdict
from trainer.origin import git_revision, library_versions

GOLDEN_ROWS = 256


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that passed the export gate, with what its manifest says of it.

    time_zone: in which its features count hours and days; gate: settings by which it is judged; replaces: the
    model that it is judged against, empty without one. The same model by other settings or against another
    has another name, since what its bundle says of the verdict never changes.
    """

    onnx: bytes
    algorithm: str
    feature_names: tuple[str, ...]
    parameters: dict[str, Any]
    window: TrainingWindow
    data_hash: str
    row_count: int
    fraud_count: int
    metrics: dict[str, float]
    thresholds: Thresholds
    parity: dict[str, float]
    time_zone: str = DEFAULT_TIME_ZONE
    gate: Mapping[str, Any] = field(default_factory=dict)
    replaces: str = ""


def model_version(candidate: Candidate) -> str:
    """Names a model by the end of its test window and the hash of what it is."""
    digest = hashlib.sha256(candidate.onnx)
    digest.update(json.dumps([candidate.thresholds.model_dump(), candidate.data_hash]).encode())
    digest.update(json.dumps([dict(candidate.gate), candidate.replaces], sort_keys=True).encode())
    if candidate.time_zone != DEFAULT_TIME_ZONE:  # models from before zones were named keep their names
        digest.update(candidate.time_zone.encode())
    day = candidate.window.validation_end_time[:10].replace("-", "")
    return f"{day}-{candidate.algorithm}-{digest.hexdigest()[:10]}"


def beside_live(candidate: Candidate, registry: Registry) -> Candidate:
    """Returns a candidate as it is judged now: against the live model.

    The very model that is live, trained again, keeps its name and what it once replaced, if its bundle is
    whole.
    """
    live = registry.live_version()
    if live is None:
        return replace(candidate, replaces="")
    try:
        again = replace(candidate, replaces=read_bundle(registry.bundle_path(live)).manifest.replaces)
    except BundleRefusedError:
        return replace(candidate, replaces=live)
    return again if model_version(again) == live else replace(candidate, replaces=live)


def golden_rows(probability: npt.NDArray[np.float32]) -> npt.NDArray[np.intp]:
    """Chooses rows spread evenly over the scores, so that every region of the model is replayed."""
    order = np.argsort(probability, kind="stable")
    places = np.unique(np.linspace(0, len(order) - 1, num=min(GOLDEN_ROWS, len(order))).astype(np.intp))
    return order[places]


def publish(
    registry: Registry,
    candidate: Candidate,
    features: npt.NDArray[np.float32],
    probability: npt.NDArray[np.float32],
    documents: dict[str, bytes],
    verdict: Verdict,
    explanation: bytes | None = None,
) -> str:
    """Writes the bundle, makes it the one to be live if the verdict says so, and gives its version.

    features: float32 [n, columns] of validation rows with their probability float32 [n] by ONNX Runtime;
    explanation: by `trainer.export.build_explanation`; without one the model's scores have no reasons.
    """
    name = model_version(candidate)
    manifest = Manifest(
        model_version=name,
        algorithm=candidate.algorithm,
        features=feature_uses(candidate.feature_names),
        catalogue_fingerprint=catalogue_fingerprint(),
        time_zone=candidate.time_zone,
        window=candidate.window,
        data_hash=candidate.data_hash,
        row_count=candidate.row_count,
        fraud_count=candidate.fraud_count,
        metrics=candidate.metrics,
        thresholds=candidate.thresholds,
        parameters=candidate.parameters,
        parity=candidate.parity,
        library_versions=library_versions(),
        git_revision=git_revision(),
        role="champion" if verdict.promoted else "challenger",
        replaces=candidate.replaces,
        verdict=verdict.text,
    )
    chosen = golden_rows(probability)
    if name not in registry.versions():
        registry.path.mkdir(parents=True, exist_ok=True)
        write_bundle(
            registry.path,
            manifest,
            candidate.onnx,
            features[chosen],
            probability[chosen],
            documents,
            explanation,
        )
    if verdict.promoted:
        registry.set_live(name)
    return name


def feature_document(names: tuple[str, ...], importance: npt.NDArray[np.float64]) -> bytes:
    """Returns the features of a model with their descriptions and weight, most important first, as JSON."""
    known = {feature.name: feature for feature in CATALOGUE}
    rows = []
    for place in np.argsort(-importance, kind="stable"):
        name = names[place]
        row: dict[str, Any] = {"name": name, "importance": round(float(importance[place]), 6)}
        if name in known:
            feature = known[name]
            row |= {
                "description": feature.description,
                "unit": feature.unit,
                "source": list(feature.source),
                "why": feature.why,
                "personal_data": feature.personal_data.value,
            }
        rows.append(row)
    return (json.dumps(rows, indent=1, ensure_ascii=False) + "\n").encode()
