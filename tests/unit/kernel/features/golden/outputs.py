"""What each feature is over the golden history, as digests of bits, beside the definition it was made by.

A digest is over the float32 values of a column in several time zones. All NaN count as one value, so it
covers where a feature is unset as well.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np

from kuntur.features import CATALOGUE, FEATURE_NAMES, Feature, FeatureEngine, FeatureMatrix
from kuntur.features.catalogue import catalogue_fingerprint
from kuntur.time_zone import time_zone
from kuntur.transaction import IntColumn
from tests.unit.kernel.features.golden.history import golden_history

FILE = Path(__file__).parent / "catalogue.json"
# Peru's, one with summer time, and one whose summer time is half an hour.
ZONES = ("America/Lima", "Europe/Madrid", "Australia/Lord_Howe")
COMMAND = "python -m tests.unit.kernel.features.golden"
_DIGITS = 32


@dataclass(frozen=True, slots=True)
class Golden:
    """One feature: its definition and what it was.

    fingerprint, revision: as the catalogue has them; unset: how many values of the first zone are NaN;
    digest: of the bits of its values.
    """

    fingerprint: str
    revision: int
    unset: int
    digest: str


@cache
def outputs() -> dict[str, FeatureMatrix]:
    """Returns the features over the golden history by zone, each float32 [rows, len(CATALOGUE)]."""
    history = golden_history()
    return {name: FeatureEngine(zone=time_zone(name)).replay(*history) for name in ZONES}


def computed(matrices: Mapping[str, FeatureMatrix]) -> dict[str, Golden]:
    """Returns what each feature of the catalogue is in some outputs."""
    return {
        feature.name: Golden(
            feature.fingerprint,
            feature.revision,
            int(np.isnan(matrices[ZONES[0]][:, column]).sum()),
            _digest([matrices[zone][:, column] for zone in ZONES]),
        )
        for column, feature in enumerate(CATALOGUE)
    }


def history_digest() -> str:
    """Returns a digest of the golden history itself."""
    batch, outcomes = golden_history()
    digest = hashlib.sha256()
    ints = batch.ints[:, : IntColumn.CONTENT]  # no feature comes from the bytes of a message
    arrays = (batch.keys, ints, batch.floats, *batch.attributes.values())
    for array in (*arrays, outcomes.keys, outcomes.reported_time_us, outcomes.is_fraud):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:_DIGITS]


def changed_unrevised(found: Mapping[str, Golden], golden: Mapping[str, Golden]) -> list[str]:
    """Returns the features whose values are others although their revision is the same."""
    return [
        name
        for name, now in found.items()
        if name in golden
        and now.revision == golden[name].revision
        and (now.digest, now.unset) != (golden[name].digest, golden[name].unset)
    ]


def read() -> tuple[str, str, dict[str, Golden]]:
    """Returns the file's fingerprint of the catalogue, its digest of the history and its features."""
    document = json.loads(FILE.read_text(encoding="utf-8"))
    features = {name: Golden(**entry) for name, entry in document["features"].items()}
    return document["catalogue"], document["history"], features


def write(features: Mapping[str, Golden]) -> None:
    """Writes the file, a feature a line."""
    lines = [f"    {json.dumps(name)}: {json.dumps(asdict(entry))}" for name, entry in features.items()]
    FILE.write_text(
        "{\n"
        f'  "catalogue": "{catalogue_fingerprint()}",\n'
        f'  "history": "{history_digest()}",\n'
        '  "features": {\n' + ",\n".join(lines) + "\n  }\n}\n",
        encoding="utf-8",
    )


def zone_dependent(matrices: Mapping[str, FeatureMatrix]) -> set[str]:
    """Returns the features that are not the same in all zones."""
    first = _bits(matrices[ZONES[0]])
    differs = np.zeros(len(CATALOGUE), dtype=np.bool_)
    for zone in ZONES[1:]:
        differs |= (_bits(matrices[zone]) != first).any(axis=0)
    return {name for name, differs_here in zip(FEATURE_NAMES, differs, strict=True) if differs_here}


def may_be_unset(feature: Feature) -> bool:
    """Tells whether the catalogue says of a feature that it can be unset."""
    return "unset" in feature.description


def _digest(columns: list[FeatureMatrix]) -> str:
    digest = hashlib.sha256()
    for values in columns:
        digest.update(_bits(values).astype("<u4").tobytes())
    return digest.hexdigest()[:_DIGITS]


def _bits(values: FeatureMatrix) -> np.ndarray:
    return np.where(np.isnan(values), np.float32(np.nan), values).view(np.uint32)
