"""What mattered most, and how that changed over the versions of the registry.

Read from the bundles that are there, each held against the hash of its manifest: one that is damaged is left
out and named. Importance is each algorithm's own, so only versions of the same one are on one scale; ranks
tell more than shares.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from kuntur.bundle.bundle import DOCUMENTS, BundleRefusedError, Manifest, Registry, read_manifest
from kuntur.bundle.files import read_file

_MOST_BYTES = 16 << 20
_FILE = f"{DOCUMENTS}/features.json"
TOP = 10  # features by which two versions are compared


@dataclass(frozen=True, slots=True)
class Weight:
    """A feature and its importance."""

    name: str
    importance: float


@dataclass(frozen=True, slots=True)
class Version:
    """A published model, or the one that is to be.

    version, role: empty for the latter; features: the most important first; kept: how many of its `TOP` most
    important were among those of the version before, None for the first.
    """

    version: str
    algorithm: str
    role: str
    validation_end: str
    features: tuple[Weight, ...]
    kept: int | None


@dataclass(frozen=True, slots=True)
class ImportanceHistory:
    """The newest versions of the registry, the oldest first and the model itself last.

    unread: those that were left out, with the reason.
    """

    versions: tuple[Version, ...]
    unread: tuple[str, ...]


def importance_history(registry: Registry, model: Version, own_name: str, most: int) -> ImportanceHistory:
    """Returns a model behind at most so many earlier versions of a registry.

    own_name: under which the model may be there already. Versions whose test window ended later than the
    model's are not earlier.
    """
    unread: list[str] = []
    manifests = _manifests(registry, own_name, unread) if most else []
    end = datetime.fromisoformat(model.validation_end)
    earlier = [(ended, manifest) for ended, manifest in manifests if ended <= end]
    earlier.sort(key=lambda entry: (entry[0], entry[1].model_version))
    versions: list[Version] = []
    for _, manifest in earlier[-most:] if most else ():
        try:
            features = _features(registry.bundle_path(manifest.model_version), manifest)
        except (OSError, ValueError, KeyError, TypeError):
            unread.append(f"{manifest.model_version}: {_FILE} is not as it was published")
            continue
        window_end = manifest.window.validation_end_time
        found = Version(manifest.model_version, manifest.algorithm, manifest.role, window_end, features, None)
        versions.append(replace(found, kept=_kept(versions, found)))
    versions.append(replace(model, kept=_kept(versions, model)))
    return ImportanceHistory(tuple(versions), tuple(unread))


def by_importance(weights: Iterable[tuple[str, float]]) -> tuple[Weight, ...]:
    """Returns features, the most important first, of equals by name."""
    return tuple(Weight(name, weight) for name, weight in sorted(weights, key=lambda w: (-w[1], w[0])))


def _manifests(registry: Registry, own_name: str, unread: list[str]) -> list[tuple[datetime, Manifest]]:
    found = []
    for version in registry.versions():
        if version == own_name:
            continue
        try:
            manifest = read_manifest(registry.bundle_path(version))
            found.append((_moment(manifest.window.validation_end_time), manifest))
        except (BundleRefusedError, ValueError) as error:
            unread.append(f"{version}: {error}")
    return found


def _moment(text: str) -> datetime:
    """Returns a moment of ISO 8601. Raises ValueError where it names no zone."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} names no zone")
    return moment


def _features(bundle: Path, manifest: Manifest) -> tuple[Weight, ...]:
    """Reads the importance of a bundle. Raises OSError, and ValueError, KeyError or TypeError if odd."""
    content = read_file(bundle, _FILE, _MOST_BYTES)
    if hashlib.sha256(content).hexdigest() != manifest.files[_FILE].sha256:
        raise ValueError("it does not have its hash")
    found = by_importance((str(row["name"]), float(row["importance"])) for row in json.loads(content))
    if not all(math.isfinite(weight.importance) for weight in found):
        raise ValueError("an importance is no number")
    return found


def _kept(before: list[Version], model: Version) -> int | None:
    if not before:
        return None
    top = [{weight.name for weight in each.features[:TOP]} for each in (before[-1], model)]
    return len(top[0] & top[1])
