"""The bundle: all that passes from trainer to server, whole or not at all.

A bundle is a directory of the registry, named by its model version:

    manifest.json          what the model is, and size and SHA-256 of every other file
    manifest.sha256        SHA-256 of manifest.json, in hexadecimal
    model.onnx             float32 [n, features] `features` to float32 [n] `probability`
    golden_features.npy    float32 [g, features]: inputs with known answers
    golden_scores.npy      float32 [g]: those answers
    explanation.npz        what the reasons of its scores are computed from; not every model has one
    documents/             whatever a validator wants to find beside it

It is written under a name that no reader looks at and renamed at the end. `LIVE` in the registry names
the version that servers are to serve.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from kuntur.bundle.files import hash_file, read_file
from kuntur.bundle.files import load_array as _load_array
from kuntur.bundle.files import sha256 as _sha256
from kuntur.bundle.refusal import BundleRefusedError, RefusalReason
from kuntur.bundle.registry import LIVE, Registry, RegistryError
from kuntur.features import CATALOGUE
from kuntur.files.paths import UnusableFileError
from kuntur.files.paths import sync as _sync
from kuntur.reasons import Explanation, ExplanationError, read_explanation
from kuntur.time_zone import DEFAULT_TIME_ZONE, TimeZone, checked_time_zone, time_zone
from kuntur.transaction import ATTRIBUTE_PREFIX

FORMAT_VERSION = 1
MANIFEST, MANIFEST_HASH, MODEL = "manifest.json", "manifest.sha256", "model.onnx"
GOLDEN_FEATURES, GOLDEN_SCORES = "golden_features.npy", "golden_scores.npy"
EXPLANATION = "explanation.npz"
DOCUMENTS = "documents"
_USED = (MODEL, GOLDEN_FEATURES, GOLDEN_SCORES, EXPLANATION)
_MAX_HASH_BYTES = 4 << 10
_MAX_MANIFEST_BYTES = 16 << 20
_MAX_FILE_BYTES = 1 << 30


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class FeatureUse(_Document):
    """A feature that a model uses."""

    name: str
    """Name in the catalogue, or `attribute.NAME`."""
    fingerprint: str
    """Fingerprint of its definition; empty for an attribute."""


class FileEntry(_Document):
    """A file of the bundle."""

    size_bytes: int = Field(ge=0)
    """Its size."""
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    """Its hash."""


class Thresholds(_Document):
    """Probabilities at which the advice changes, and why they lie there."""

    review: float = Field(ge=0, le=1)
    """At or above: REVIEW."""
    decline: float = Field(ge=0, le=1)
    """At or above: DECLINE; not below `review`."""
    rationale: str
    """How they were chosen, in words."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.decline < self.review:
            raise ValueError("decline lies below review")
        return self


class TrainingWindow(_Document):
    """Where in time the model learnt. Times are ISO 8601 in UTC, ends exclusive."""

    train_start_time: str
    """First transaction to learn from."""
    train_end_time: str
    """End of the transactions to learn from."""
    validation_start_time: str
    """Start of the later transactions on which it was chosen."""
    validation_end_time: str
    """Their end."""
    label_delay_days: float = Field(ge=0)
    """Time that labels are taken to need, between the end of training and the start of validation."""


class Manifest(_Document):
    """What a model is."""

    format_version: Literal[1] = 1
    """Version of the bundle's form."""
    model_version: str = Field(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")
    """Name of the model and of the bundle's directory."""
    algorithm: str
    """Kind of estimator."""
    features: tuple[FeatureUse, ...] = Field(min_length=1)
    """The model's inputs, in order."""
    catalogue_fingerprint: str
    """Fingerprint of the whole catalogue at training."""
    time_zone: Annotated[str, AfterValidator(checked_time_zone)] = DEFAULT_TIME_ZONE
    """IANA time zone in which features counted hours and days at training; bundles from before it was named
    have Peru's."""
    window: TrainingWindow
    """Where in time it learnt."""
    data_hash: str
    """Hash of the transactions and labels it learnt from."""
    row_count: int = Field(ge=0)
    """Transactions in the data."""
    fraud_count: int = Field(ge=0)
    """Frauds among them."""
    metrics: dict[str, float]
    """Figures on the test window, by name."""
    thresholds: Thresholds
    """Where the advice changes."""
    parameters: dict[str, str | int | float | bool | None]
    """Settings of the estimator and of its training."""
    parity: dict[str, float]
    """What the export gate compared and found."""
    library_versions: dict[str, str]
    """Versions of what built it."""
    git_revision: str
    """Revision of the code that built it; empty when not known."""
    role: Literal["champion", "challenger"] = "champion"
    """Whether it was published to be live, or stays beside the live one."""
    replaces: str = ""
    """Version that was live when it was published, to which a rollback goes; empty without one."""
    verdict: str = ""
    """Why it has that role, in words."""
    files: dict[str, FileEntry] = Field(default_factory=dict)
    """Every file but the manifest and its hash, by path in the bundle."""

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the inputs, in order."""
        return tuple(feature.name for feature in self.features)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose files are all there and as the manifest says.

    golden_features: float32 [g, features]; golden_scores: float32 [g]; explanation: None without the file.
    """

    path: Path
    manifest: Manifest
    model: bytes
    golden_features: npt.NDArray[np.float32]
    golden_scores: npt.NDArray[np.float32]
    explanation: Explanation | None = None


def feature_uses(names: tuple[str, ...]) -> tuple[FeatureUse, ...]:
    """Returns the features of these names with their fingerprints. Raises KeyError for an unknown one."""
    fingerprints = {feature.name: feature.fingerprint for feature in CATALOGUE}
    return tuple(
        FeatureUse(name=name, fingerprint="" if name.startswith(ATTRIBUTE_PREFIX) else fingerprints[name])
        for name in names
    )


def check_features(manifest: Manifest) -> None:
    """Raises BundleRefusedError for a feature that this code lacks or defines otherwise."""
    known = {feature.name: feature.fingerprint for feature in CATALOGUE}
    for use in manifest.features:
        if use.name.startswith(ATTRIBUTE_PREFIX):
            continue
        if use.name not in known:
            raise BundleRefusedError(RefusalReason.FEATURE_UNKNOWN, f"there is no feature {use.name!r} here")
        if use.fingerprint != known[use.name]:
            message = f"feature {use.name!r} was trained under another definition ({use.fingerprint})"
            raise BundleRefusedError(RefusalReason.FEATURE_CHANGED, message)


def check_time_zone(manifest: Manifest, zone: TimeZone) -> None:
    """Raises BundleRefusedError for a feature in hours or days of another time zone than `zone`."""
    trained = time_zone(manifest.time_zone)
    if trained.agrees_with(zone):
        return
    local = {feature.name for feature in CATALOGUE if feature.local}
    for name in manifest.feature_names:
        if name in local:
            message = (
                f"feature {name!r} was trained in the time zone {trained.name} and is computed in "
                f"{zone.name} here: set institution.time_zone to the same for training and serving"
            )
            raise BundleRefusedError(RefusalReason.FEATURE_CHANGED, message)


def _files_below(directory: Path) -> list[str]:
    found = sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file())
    return [name for name in found if name not in (MANIFEST, MANIFEST_HASH)]


def write_bundle(
    registry: Path,
    manifest: Manifest,
    model: bytes,
    golden_features: npt.NDArray[np.float32],
    golden_scores: npt.NDArray[np.float32],
    documents: Mapping[str, bytes],
    explanation: bytes | None = None,
) -> Path:
    """Writes a bundle into the registry and gives its path; nothing shows until it is whole on disk.

    documents: contents by file name; explanation: by `kuntur.reasons.write_explanation`. `manifest.files` is
    filled in here, the catalogue's fingerprint is taken from the manifest. Raises FileExistsError when the
    version is there already: a version never changes; ValueError for a document outside `documents/`, and
    for a version of a name that is taken.
    """
    if manifest.model_version == LIVE:
        raise ValueError(f"{LIVE} is the name of the file that says which version is live")
    for name in documents:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise ValueError(f"document {name!r} would lie outside the bundle")
    target = registry / manifest.model_version
    if target.exists():
        raise FileExistsError(f"the registry holds {manifest.model_version} already; a version never changes")
    draft = registry / f".{manifest.model_version}.{os.getpid()}"
    shutil.rmtree(draft, ignore_errors=True)
    (draft / DOCUMENTS).mkdir(parents=True)
    try:
        (draft / MODEL).write_bytes(model)
        np.save(draft / GOLDEN_FEATURES, np.ascontiguousarray(golden_features, dtype=np.float32))
        np.save(draft / GOLDEN_SCORES, np.ascontiguousarray(golden_scores, dtype=np.float32))
        if explanation is not None:
            (draft / EXPLANATION).write_bytes(explanation)
        for name, content in documents.items():
            path = draft / DOCUMENTS / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        files = {
            name: FileEntry(size_bytes=(draft / name).stat().st_size, sha256=_sha256(draft / name))
            for name in _files_below(draft)
        }
        whole = manifest.model_copy(update={"files": files})
        text = json.dumps(whole.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        (draft / MANIFEST).write_text(text, encoding="utf-8")
        (draft / MANIFEST_HASH).write_text(_sha256(draft / MANIFEST) + "\n", encoding="ascii")
        for name in [*files, MANIFEST, MANIFEST_HASH]:
            _sync(draft / name)
        for directory in {(draft / name).parent for name in files} | {draft}:
            _sync(directory)
        draft.rename(target)
        _sync(registry)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return target


def read_manifest(path: Path) -> Manifest:
    """Reads and checks the manifest of a bundle. Raises BundleRefusedError."""
    if not path.is_dir():
        raise BundleRefusedError(RefusalReason.INCOMPLETE, f"there is no bundle {path.name!r}")
    raw = _read(path, MANIFEST, _MAX_MANIFEST_BYTES)
    stated = _read(path, MANIFEST_HASH, _MAX_HASH_BYTES).decode("ascii", errors="replace").strip()
    if hashlib.sha256(raw).hexdigest() != stated:
        raise BundleRefusedError(RefusalReason.HASH_MISMATCH, f"{MANIFEST} does not have its hash")
    try:
        manifest = Manifest.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        message = f"{MANIFEST}: {field or 'document'}: {first['msg']}"
        raise BundleRefusedError(RefusalReason.MANIFEST_INVALID, message) from error
    if manifest.model_version != path.name:
        message = f"{MANIFEST} is of {manifest.model_version}, in the directory of {path.name}"
        raise BundleRefusedError(RefusalReason.MANIFEST_INVALID, message)
    return manifest


@contextmanager
def _refused(name: str) -> Iterator[None]:
    """Turns what keeps a file of a bundle from being read into BundleRefusedError."""
    try:
        yield
    except UnusableFileError as error:
        raise BundleRefusedError(RefusalReason.MANIFEST_INVALID, f"{name} {error}") from error
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        message = f"{name} is missing" if missing else f"{name} cannot be read: {error.strerror}"
        raise BundleRefusedError(RefusalReason.INCOMPLETE, message) from error


def _read(path: Path, name: str, max_bytes: int) -> bytes:
    """Reads a file of a bundle. Raises BundleRefusedError."""
    with _refused(name):
        return read_file(path, name, max_bytes)


def _read_files(path: Path, manifest: Manifest) -> dict[str, bytes]:
    """Reads each file once, checks it, and returns the contents of those that are used."""
    for required in (MODEL, GOLDEN_FEATURES, GOLDEN_SCORES):
        if required not in manifest.files:
            raise BundleRefusedError(RefusalReason.INCOMPLETE, f"{MANIFEST} names no {required}")
    contents = {}
    for name, entry in manifest.files.items():
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise BundleRefusedError(RefusalReason.MANIFEST_INVALID, f"{name} lies outside the bundle")
        if name in _USED:
            contents[name] = _read(path, name, _MAX_FILE_BYTES)
            size, digest = len(contents[name]), hashlib.sha256(contents[name]).hexdigest()
        else:
            with _refused(name):
                size, digest = hash_file(path, name, entry.size_bytes)
        if size != entry.size_bytes:
            message = f"{name} has {size} bytes, not {entry.size_bytes}"
            raise BundleRefusedError(RefusalReason.SIZE_MISMATCH, message)
        if digest != entry.sha256:
            raise BundleRefusedError(RefusalReason.HASH_MISMATCH, f"{name} does not have its hash")
    return contents


def read_bundle(path: Path) -> Bundle:
    """Reads a bundle, each file once, and checks all that can be checked without running it.

    Raises BundleRefusedError, and only that.
    """
    manifest = read_manifest(path)
    files = _read_files(path, manifest)
    check_features(manifest)
    try:
        features, scores = _load_array(files[GOLDEN_FEATURES]), _load_array(files[GOLDEN_SCORES])
    except ValueError as error:
        raise BundleRefusedError(RefusalReason.NOT_LOADABLE, f"golden vectors: {error}") from error
    if features.ndim != 2 or features.shape[1] != len(manifest.features) or scores.ndim != 1:
        raise BundleRefusedError(RefusalReason.NOT_LOADABLE, "golden vectors do not have the model's inputs")
    if features.dtype != np.float32 or scores.dtype != np.float32 or len(features) != len(scores):
        raise BundleRefusedError(RefusalReason.NOT_LOADABLE, "golden vectors are not float32 of one length")
    explanation = _explanation(files.get(EXPLANATION), manifest)
    return Bundle(path, manifest, files[MODEL], features, scores, explanation)


def _explanation(content: bytes | None, manifest: Manifest) -> Explanation | None:
    if content is None:
        return None
    try:
        return read_explanation(content, len(manifest.features))
    except ExplanationError as error:
        raise BundleRefusedError(RefusalReason.EXPLANATION_INVALID, f"{EXPLANATION}: {error}") from error


__all__ = [
    "Bundle",
    "BundleRefusedError",
    "FeatureUse",
    "FileEntry",
    "Manifest",
    "RefusalReason",
    "Registry",
    "RegistryError",
    "Thresholds",
    "TrainingWindow",
    "check_features",
    "check_time_zone",
    "feature_uses",
    "read_bundle",
    "read_manifest",
    "write_bundle",
]
