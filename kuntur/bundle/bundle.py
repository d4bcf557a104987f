"""The bundle: all that passes from trainer to server, whole or not at all.

A bundle is a directory of the registry, named by its model version:

    manifest.json          what the model is, and size and SHA-256 of every other file
    manifest.sha256        SHA-256 of manifest.json, in hexadecimal
    model.onnx             float32 [n, features] `features` to float32 [n] `probability`
    golden_features.npy    float32 [g, features]: inputs with known answers
    golden_scores.npy      float32 [g]: those answers
    explanation.npz        what the reasons of its scores are computed from; not every model has one
    judged.onnx            the fit that the figures are of, where model.onnx learnt from later rows as well
    documents/             whatever a validator wants to find beside it
    signatures/            signatures (`kuntur.bundle.signing`); they may come later, no manifest names them

It is written under a name that no reader looks at and renamed at the end. `LIVE` in the registry names
the version that servers are to serve.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from kuntur.bundle.contents import check_no_more, check_plain, names_below
from kuntur.bundle.files import hash_file, read_file
from kuntur.bundle.files import sha256 as _sha256
from kuntur.bundle.manifest import (
    MANIFEST,
    MANIFEST_HASH,
    MAX_MANIFEST_BYTES,
    FeatureUse,
    FileEntry,
    Manifest,
    PhaseCost,
    Refit,
    Thresholds,
    TrainingWindow,
    check_features,
    check_time_zone,
    feature_uses,
)
from kuntur.bundle.refusal import BundleRefusedError, RefusalReason
from kuntur.bundle.registry import LIVE, Registry, RegistryError
from kuntur.bundle.signing import Policy, Signed, SigningKey, signature, signature_name
from kuntur.bundle.signing.envelope import MAX_BYTES as _MAX_SIGNATURE_BYTES
from kuntur.bundle.signing.policy import MAX_SIGNATURES
from kuntur.bundle.signing.statement import SIGNATURES
from kuntur.files.arrays import load_array as _load_array
from kuntur.files.paths import UnusableFileError
from kuntur.files.paths import sync as _sync
from kuntur.reasons import Explanation, ExplanationError, read_explanation

MODEL = "model.onnx"
GOLDEN_FEATURES, GOLDEN_SCORES = "golden_features.npy", "golden_scores.npy"
EXPLANATION = "explanation.npz"
JUDGED = "judged.onnx"
DOCUMENTS = "documents"
_SIGNATURE = re.compile(rf"{SIGNATURES}/[A-Za-z0-9][A-Za-z0-9._-]{{0,127}}\.sig")
_MAX_HASH_BYTES = 4 << 10
_MAX_FILE_BYTES = 1 << 30
_MAX_GOLDEN_BYTES = 64 << 20
_MAX_BUNDLE_BYTES = 4 << 30
# What is read of each file that is used; of all others only the hash is taken.
_USED = {
    MODEL: _MAX_FILE_BYTES,
    GOLDEN_FEATURES: _MAX_GOLDEN_BYTES,
    GOLDEN_SCORES: _MAX_GOLDEN_BYTES,
    EXPLANATION: _MAX_FILE_BYTES,
}


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose files are all there and as the manifest says.

    golden_features: float32 [g, features]; golden_scores: float32 [g]; explanation: None without the file;
    digests: SHA-256 by path of all files but signatures; signers: by a policy, sorted.
    """

    path: Path
    manifest: Manifest
    model: bytes
    golden_features: npt.NDArray[np.float32]
    golden_scores: npt.NDArray[np.float32]
    explanation: Explanation | None = None
    digests: Mapping[str, str] = field(default_factory=dict)
    signers: tuple[str, ...] = ()


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
    keys: Sequence[SigningKey] = (),
    judged: bytes | None = None,
) -> Path:
    """Writes a bundle into the registry and gives its path; nothing shows until it is whole on disk.

    documents: contents by file name; explanation: by `kuntur.reasons.write_explanation`; keys: of those who
    sign it; judged: the fit that the figures are of, where it is another. `manifest.files` is filled in here,
    the catalogue's fingerprint is taken from the manifest.
    Raises FileExistsError when the version is there already: a version never changes; ValueError for a
    document outside `documents/`, and for a version of a name that is taken.
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
        if judged is not None:
            (draft / JUDGED).write_bytes(judged)
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
        digests = {name: entry.sha256 for name, entry in files.items()}
        digests |= {name: _sha256(draft / name) for name in (MANIFEST, MANIFEST_HASH)}
        signatures = {signature_name(key): signature(target.name, digests, key) for key in keys}
        for name, content in signatures.items():
            (draft / SIGNATURES).mkdir(exist_ok=True)
            (draft / name).write_bytes(content)
        for name in [*digests, *signatures]:
            _sync(draft / name)
        for directory in {(draft / name).parent for name in [*digests, *signatures]}:
            _sync(directory)
        draft.rename(target)
        _sync(registry)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return target


def read_manifest(path: Path) -> Manifest:
    """Reads and checks the manifest of a bundle. Raises BundleRefusedError."""
    raw, _ = _read_manifest(path)
    return _parsed(raw, path.name)


def _read_manifest(path: Path) -> tuple[bytes, bytes]:
    """Reads the manifest and its hash, and holds one against the other; nothing is parsed."""
    if not path.is_dir():
        raise BundleRefusedError(RefusalReason.INCOMPLETE, f"there is no bundle {path.name!r}")
    raw, stated = _read(path, MANIFEST, MAX_MANIFEST_BYTES), _read(path, MANIFEST_HASH, _MAX_HASH_BYTES)
    if hashlib.sha256(raw).hexdigest() != stated.decode("ascii", errors="replace").strip():
        raise BundleRefusedError(RefusalReason.HASH_MISMATCH, f"{MANIFEST} does not have its hash")
    return raw, stated


def _parsed(raw: bytes, directory: str) -> Manifest:
    try:
        manifest = Manifest.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        message = f"{MANIFEST}: {where or 'document'}: {first['msg']}"
        raise BundleRefusedError(RefusalReason.MANIFEST_INVALID, message) from error
    if manifest.model_version != directory:
        message = f"{MANIFEST} is of {manifest.model_version}, in the directory of {directory}"
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
    contents = {}
    for name, entry in manifest.files.items():
        if name in _USED:
            contents[name] = _read(path, name, _USED[name])
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


def read_bundle(path: Path, policy: Policy | None = None) -> Bundle:
    """Reads a bundle, each file once, and checks all that can be checked without running it.

    With a policy its signatures are verified before anything of it is parsed but these themselves.

    Args:
        path: Its directory.
        policy: Who must have signed it; None trusts whoever wrote it.

    Raises:
        BundleRefusedError: A check failed. Nothing else is raised but MemoryError.
    """
    raw, stated = _read_manifest(path)
    found = names_below(path)
    signatures = {} if policy is None else _read_signatures(path, found)
    signed = Signed((), {}) if policy is None else policy.verified(signatures)
    digests = {MANIFEST: hashlib.sha256(raw).hexdigest(), MANIFEST_HASH: hashlib.sha256(stated).hexdigest()}
    signed.check(digests)
    manifest = _parsed(raw, path.name)
    _check_names(manifest, found)
    digests |= {name: entry.sha256 for name, entry in manifest.files.items()}
    signed.check(digests)
    others = {name: hashlib.sha256(content).hexdigest() for name, content in signatures.items()}
    signed.check_no_more(digests | others)
    files = _read_files(path, manifest)
    check_features(manifest)
    features, scores = _golden_vectors(files, len(manifest.features))
    explanation = _explanation(files.get(EXPLANATION), manifest)
    return Bundle(path, manifest, files[MODEL], features, scores, explanation, digests, signed.signers)


def read_judged(bundle: Bundle) -> bytes:
    """Returns the fit that the figures of a bundle are of, checked: the model itself unless it was refitted.

    A server has no use for it. Raises BundleRefusedError.
    """
    if bundle.manifest.refit is None:
        return bundle.model
    entry = bundle.manifest.files.get(JUDGED)
    if entry is None:
        raise BundleRefusedError(RefusalReason.INCOMPLETE, f"{MANIFEST} names no {JUDGED}")
    content = _read(bundle.path, JUDGED, _MAX_FILE_BYTES)
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        raise BundleRefusedError(RefusalReason.HASH_MISMATCH, f"{JUDGED} does not have its hash")
    return content


def _read_signatures(path: Path, found: frozenset[str]) -> dict[str, bytes]:
    names = sorted(name for name in found if _SIGNATURE.fullmatch(name))
    return {name: _read(path, name, _MAX_SIGNATURE_BYTES) for name in names[: MAX_SIGNATURES + 1]}


def _check_names(manifest: Manifest, found: frozenset[str]) -> None:
    """Holds the names in the manifest against those in the directory; nothing is opened."""
    check_plain(manifest.files)
    for required in (MODEL, GOLDEN_FEATURES, GOLDEN_SCORES):
        if required not in manifest.files:
            raise BundleRefusedError(RefusalReason.INCOMPLETE, f"{MANIFEST} names no {required}")
    for name in manifest.files:
        if name in (MANIFEST, MANIFEST_HASH) or name.startswith(f"{SIGNATURES}/"):
            raise BundleRefusedError(RefusalReason.MANIFEST_INVALID, f"{MANIFEST} names {name}")
    if sum(entry.size_bytes for entry in manifest.files.values()) > _MAX_BUNDLE_BYTES:
        message = f"{MANIFEST} names more than {_MAX_BUNDLE_BYTES >> 30} GiB"
        raise BundleRefusedError(RefusalReason.MANIFEST_INVALID, message)
    named = {MANIFEST, MANIFEST_HASH, *manifest.files}
    check_no_more((name for name in found if not _SIGNATURE.fullmatch(name)), named)


def _golden_vectors(
    files: Mapping[str, bytes], width: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    try:
        features, scores = _load_array(files[GOLDEN_FEATURES]), _load_array(files[GOLDEN_SCORES])
    except ValueError as error:
        raise BundleRefusedError(RefusalReason.NOT_LOADABLE, f"golden vectors: {error}") from error
    if features.ndim != 2 or features.shape[1] != width or scores.ndim != 1:
        raise BundleRefusedError(RefusalReason.NOT_LOADABLE, "golden vectors do not have the model's inputs")
    if features.dtype != np.float32 or scores.dtype != np.float32 or len(features) != len(scores):
        raise BundleRefusedError(RefusalReason.NOT_LOADABLE, "golden vectors are not float32 of one length")
    return features, scores


def _explanation(content: bytes | None, manifest: Manifest) -> Explanation | None:
    if content is None:
        return None
    try:
        return read_explanation(content, len(manifest.features))
    except ExplanationError as error:
        raise BundleRefusedError(RefusalReason.EXPLANATION_INVALID, f"{EXPLANATION}: {error}") from error


__all__ = [
    "MANIFEST",
    "MANIFEST_HASH",
    "Bundle",
    "BundleRefusedError",
    "FeatureUse",
    "FileEntry",
    "Manifest",
    "PhaseCost",
    "Refit",
    "RefusalReason",
    "Registry",
    "RegistryError",
    "Thresholds",
    "TrainingWindow",
    "check_features",
    "check_time_zone",
    "feature_uses",
    "read_bundle",
    "read_judged",
    "read_manifest",
    "write_bundle",
]
