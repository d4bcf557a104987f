"""The readers of bundles: whole ones, changed, resigned or not, and each kind of file by itself."""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numba
import numpy as np
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from kuntur.bundle.bundle import (
    EXPLANATION,
    GOLDEN_FEATURES,
    GOLDEN_SCORES,
    LIVE,
    MANIFEST,
    MANIFEST_HASH,
    MODEL,
    Bundle,
    BundleRefusedError,
    Manifest,
    Registry,
    RegistryError,
    check_time_zone,
    read_bundle,
    write_bundle,
)
from kuntur.bundle.onnx_file import OnnxFileError, check_declared
from kuntur.bundle.signing import Policy, PolicyError, SigningKey, read_policy, signature, signature_name
from kuntur.bundle.signing.envelope import (
    Envelope,
    EnvelopeError,
    read_envelope,
    signed_bytes,
    write_envelope,
)
from kuntur.bundle.signing.policy import TrustedKey
from kuntur.bundle.signing.statement import StatementError, read_statement, write_statement
from kuntur.files.arrays import load_array
from kuntur.reasons import (
    ExplanationError,
    LinearExplanation,
    TreeExplanation,
    Trees,
    read_explanation,
    write_explanation,
)
from kuntur.time_zone import time_zone
from server.models.newest import NewestLive, NewestLiveError
from server.models.trust import Trust
from tests.fuzzing.room import emptied
from tests.fuzzing.script import Script, block, check_one

INSTRUMENTED = [
    "kuntur.bundle", "kuntur.files", "kuntur.settings", "kuntur.reasons", "server.models", "tomllib",
    "zipfile",
]  # fmt: skip
DICTIONARY = [
    b'"files"', b'"sha256"', b'"size_bytes"', b'"features"', b'"model_version"', b'"thresholds"',
    b"model.onnx", b"manifest.json", b"manifest.sha256", b"../", b"signatures/", b"documents/",
    b"\x93NUMPY\x01\x00",
    b"'descr': '<f4'", b"'shape': (16, 4)", b"'fortran_order'", b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06",
    b"threshold = ", b"[[keys]]", b"signer = ", b"until = 2026-01-01", b'"dsseEnvelope"', b'"payload"',
    b'"published_time"', b"9999-12-31T23:59:59Z", b'"time_zone"', b"[[", b"{", b"NaN", b"1e999", b'"_type"',
]  # fmt: skip
VERSION = "m-1"
FEATURES = ("amount", "log_amount", "account_count_24h", "attribute.risk_band")
_PLAIN = (MODEL, GOLDEN_FEATURES, GOLDEN_SCORES, EXPLANATION, MANIFEST, MANIFEST_HASH)
_DOCUMENT = "documents/card.md"


@cache
def _key() -> SigningKey:
    return SigningKey(ec.derive_private_key(987_654_321, ec.SECP256R1()))


@cache
def _policy() -> Policy:
    return Policy(1, (TrustedKey("trainer", _key().public, None),))


@cache
def _whole() -> MappingProxyType[str, bytes]:
    """Returns the files of a sound bundle, signed, the same each time but for the signature."""
    from tests.support.bundles import golden_features, linear_model, manifest, sigmoid  # needs onnx

    registry = emptied("bundle-whole")
    weights, inputs = (0.001, 0.1, 0.2, 1.0), golden_features(len(FEATURES))
    path = write_bundle(
        registry,
        manifest(VERSION, published_time="2026-01-01T00:00:00Z"),
        linear_model(weights),
        inputs,
        sigmoid(np.nan_to_num(inputs.astype(np.float64)) @ np.array(weights)),
        {"card.md": b"A model for tests.\n"},
        write_explanation(LinearExplanation(np.zeros(4), np.array(weights), 0.0, 1.0)),
        [_key()],
    )
    found = {
        each.relative_to(path).as_posix(): each.read_bytes() for each in path.rglob("*") if each.is_file()
    }
    shutil.rmtree(registry)
    return MappingProxyType(found)


def check(data: bytes) -> None:
    """Has one of the readers read what is behind the first byte."""
    check_one(_CHECKS, data)


def _check_bundle(script: Script) -> None:
    """Changes a bundle as told and has it read, with a policy and without."""
    files = dict(_whole())
    names = sorted(files)
    odd: list[Callable[[Path], None]] = []
    resigned = False
    for _ in range(16):
        if not script:
            break
        action, name = script.byte() % 8, names[script.byte() % len(names)]
        match action:
            case 0:
                files[name] = script.block()
            case 1:
                at, gone = script.number(2), script.number(2)
                old = files.get(name, b"")
                files[name] = old[:at] + script.block() + old[at + gone :]
            case 2:
                files.pop(name, None)
            case 3:
                files[script.block().decode("latin-1")] = script.block()
            case 4:
                _change_manifest(files, script)
            case 5:
                _hash_anew(files)
            case 6:
                resigned = True
            case _:
                odd.append(_odd(name, script.byte()))
    if resigned:
        _sign_anew(files)
    registry = emptied("bundle")
    path = registry / VERSION
    path.mkdir()
    for name, content in files.items():
        _write(path, name, content)
    for make in odd:
        with suppress(OSError):
            make(path)
    same = files == dict(_whole()) and not odd
    for policy in (None, _policy()):
        bundle = _read(path, policy)
        assert bundle is not None or not same
        if bundle is not None and policy is not None and not resigned:
            assert set(bundle.digests.items()) == _digests(), "a bundle passed that was not signed like this"


def _read(path: Path, policy: Policy | None) -> Bundle | None:
    try:
        bundle = read_bundle(path, policy)
        check_time_zone(bundle.manifest, time_zone())
        Trust(path.parent / "policy.toml", None).check_age(bundle.manifest)
    except BundleRefusedError as error:
        if not error.message or str(path.parent) in error.message:
            raise AssertionError("it is not said why, or where on the disk") from error
        return None
    assert bundle.golden_features.shape == (len(bundle.golden_scores), len(bundle.manifest.features))
    with suppress(OnnxFileError):
        check_declared(bundle.model)
    return bundle


@cache
def _digests() -> frozenset[tuple[str, str]]:
    digests = {name: hashlib.sha256(raw).hexdigest() for name, raw in _whole().items()}
    return frozenset((name, digest) for name, digest in digests.items() if not name.startswith("signatures/"))


def _write(path: Path, name: str, content: bytes) -> None:
    """Writes a file below a folder; names that cannot be there are left out."""
    target = path / name
    if "\0" in name or ".." in name or target == path or not target.is_relative_to(path):
        return
    with suppress(OSError):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def _odd(name: str, which: int) -> Callable[[Path], None]:
    """Returns what puts something else in the place of a file."""

    def make(path: Path) -> None:
        import os

        target = path / name
        target.unlink(missing_ok=True)
        if which % 4 == 0:
            target.symlink_to("/dev/zero")
        elif which % 4 == 1:
            target.symlink_to(MANIFEST)
        elif which % 4 == 2:
            os.mkfifo(target)
        else:
            target.mkdir()

    return make


def _change_manifest(files: dict[str, bytes], script: Script) -> None:
    """Sets a field of the manifest to a value of JSON, where both are."""
    keys = sorted(Manifest.model_fields)
    key, raw = keys[script.byte() % len(keys)], script.block()
    with suppress(ValueError, RecursionError, TypeError):
        document = json.loads(files.get(MANIFEST, b""))
        document[key] = json.loads(raw)
        files[MANIFEST] = json.dumps(document).encode()


def _hash_anew(files: dict[str, bytes]) -> None:
    """Makes the hashes in the manifest right, and the manifest's own."""
    with suppress(ValueError, RecursionError, TypeError, AttributeError, KeyError):
        document = json.loads(files.get(MANIFEST, b""))
        for name, entry in document["files"].items():
            if name in files:
                entry["size_bytes"] = len(files[name])
                entry["sha256"] = hashlib.sha256(files[name]).hexdigest()
        files[MANIFEST] = json.dumps(document).encode()
    files[MANIFEST_HASH] = hashlib.sha256(files.get(MANIFEST, b"")).hexdigest().encode()


def _sign_anew(files: dict[str, bytes]) -> None:
    digests = {
        name: hashlib.sha256(content).hexdigest()
        for name, content in files.items()
        if not name.startswith("signatures/")
    }
    with suppress(UnicodeEncodeError):
        files[signature_name(_key())] = signature(VERSION, digests, _key())


def _check_onnx(script: Script) -> None:
    with suppress(OnnxFileError):
        check_declared(script.rest())


def _check_explanation(script: Script) -> None:
    with suppress(ExplanationError):
        assert read_explanation(script.rest(), len(FEATURES)).columns == len(FEATURES)


def _check_trees(script: Script) -> None:
    """Reads trees that are well-formed as arrays: compiled code goes through them and looks at no bounds."""
    count, nodes = 1 + script.byte() % 6, script.byte() % 32
    small = [np.array([_signed(script.byte()) for _ in range(each)]) for each in (count, nodes, nodes, nodes)]
    starts, right, column, unset = small
    reals = [np.array([_real(script) for _ in range(nodes)], dtype=np.float64) for _ in range(3)]
    trees = Trees(
        starts.astype(np.int64),
        right.astype(np.int32),
        column.astype(np.int32),
        reals[0].astype(np.float32),
        unset > 0,
        reals[1],
        reals[2],
    )
    with suppress(ExplanationError):
        explanation = TreeExplanation(trees, len(FEATURES), _real(script), 1.0)
        explanation = read_explanation(write_explanation(explanation), len(FEATURES))
        if not numba.config.DISABLE_JIT:
            rows = np.array([[0, 1, np.nan, -1], [np.nan] * 4], dtype=np.float32)
            assert explanation.in_margin(rows).shape == rows.shape


def _signed(byte: int) -> int:
    return byte - 256 if byte >= 192 else byte


def _real(script: Script) -> float:
    """Takes a number: a small one, or any that eight bytes can be."""
    said = script.byte()
    return said / 4 if said < 250 else struct.unpack("<d", script.number(8).to_bytes(8, "little"))[0]


def _check_envelope(script: Script) -> None:
    raw = script.rest()
    with suppress(StatementError):
        read_statement(raw)
    try:
        envelope = read_envelope(raw)
    except EnvelopeError:
        return
    assert write_envelope(envelope) == raw
    with suppress(StatementError):
        read_statement(envelope.payload)


def _check_policy(script: Script) -> None:
    folder = emptied("policy")
    (folder / "trainer.pem").write_bytes(_key().public.pem)
    (folder / "other.pem").write_bytes(script.block())
    (folder / "policy.toml").write_bytes(script.rest())
    try:
        policy = read_policy(folder / "policy.toml")
    except PolicyError as error:
        if not str(error).startswith(str(folder)):
            raise AssertionError("it is not said which file") from error
        return
    assert 1 <= policy.threshold <= len(policy.keys)
    with suppress(BundleRefusedError):
        policy.verified({name: raw for name, raw in _whole().items() if name.startswith("signatures/")})


def _check_registry(script: Script) -> None:
    folder = emptied("registry")
    (folder / LIVE).write_bytes(script.block())
    (folder / "newest.json").write_bytes(script.rest())
    with suppress(RegistryError):
        version = Registry(folder).live_version()
        assert version is None or version
    with suppress(NewestLiveError):
        newest = NewestLive(folder / "newest.json").read()
        assert newest is None or newest.time.tzinfo is not None


def _check_array(script: Script) -> None:
    with suppress(ValueError):
        array = load_array(script.rest())
        assert array.dtype.kind in "biuf"


_CHECKS = (
    _check_bundle,
    _check_onnx,
    _check_explanation,
    _check_envelope,
    _check_policy,
    _check_registry,
    _check_array,
    _check_trees,
)


def _change(action: int, name: str, *parts: bytes) -> bytes:
    return bytes([action, sorted(_whole()).index(name)]) + b"".join(parts)


def seeds() -> list[bytes]:
    """Returns an input for each file and each way to change a bundle."""
    whole = _whole()
    fields = sorted(Manifest.model_fields)
    manifest: dict[str, Any] = json.loads(whole[MANIFEST])
    again, sign = _change(5, MANIFEST), _change(6, MANIFEST)
    bundles = [b"", sign]
    for name in (*_PLAIN, _DOCUMENT):
        at = len(whole[name]) // 2
        splice = _change(1, name, at.to_bytes(2, "little"), b"\1\0", block(b"x"))
        bundles += [splice, splice + again, splice + again + sign, _change(2, name), _change(7, name, b"\0")]
    for field in ("files", "features", "thresholds", "published_time", "time_zone", "metrics"):
        value = block(json.dumps(manifest[field]).encode())
        bundles.append(_change(4, MANIFEST, bytes([fields.index(field)]), value) + again + sign)
    bundles.append(_change(3, MANIFEST, block(b"documents/more.py"), block(b"print()")) + sign)
    statement = write_statement(VERSION, dict(_digests()))
    signed = _key()._key.sign(signed_bytes(statement), ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    envelope = write_envelope(Envelope(statement, signed, _key().public.id))
    policy = b'threshold = 1\n\n[[keys]]\nsigner = "trainer"\nfile = "trainer.pem"\nuntil = 2036-01-01\n'
    newest = json.dumps({"model_version": VERSION, "published_time": "2026-01-01T00:00:00Z"}).encode()
    return [
        *(bytes([0]) + each for each in bundles),
        bytes([1]) + whole[MODEL],
        bytes([2]) + whole[EXPLANATION],
        bytes([3]) + envelope,
        bytes([3]) + statement,
        bytes([4]) + block(_key().public.pem) + policy,
        bytes([5]) + block(VERSION.encode()) + newest,
        *(bytes([6]) + whole[name] for name in (GOLDEN_FEATURES, GOLDEN_SCORES)),
        # A split on column 1 and below it, to the right, one on column 0; and a single leaf.
        bytes([7, 2, 6, 0, 5, 6, 2, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 4, 0, 0, 0])
        + bytes([40, 16, 24, 12, 12, 40, 0, 4, 0, 8, 12, 1])
        + bytes([9, 0]),
    ]
