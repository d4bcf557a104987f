"""Bundles that somebody made to do harm: each whole by its own hashes, and signed by those who may sign.

What each tries is in its name; beside it stand the reasons of which one has to refuse it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from kuntur.bundle.bundle import MANIFEST, MANIFEST_HASH, RefusalReason
from tests.support.bundles import FEATURES, huge_model, linear_model, publish
from tests.support.signers import Signer

WEIGHTS = (0.001, 0.1, 0.2, 1.0)


@dataclass(frozen=True)
class Signers:
    """Who may sign in the tests, and who may not; `past`: somebody who may no longer."""

    trainer: Signer
    approver: Signer
    past: Signer
    stranger: Signer


Make = Callable[[Path, str, Signers], None]
"""Writes a bundle of a version into a registry."""


def sign(bundle: Path, *signers: Signer) -> None:
    """Signs the manifest and all that it names, whatever that is, without a look at the files."""
    raw = (bundle / MANIFEST).read_bytes()
    digests = {name: entry["sha256"] for name, entry in json.loads(raw)["files"].items()}
    digests[MANIFEST] = hashlib.sha256(raw).hexdigest()
    digests[MANIFEST_HASH] = hashlib.sha256((bundle / MANIFEST_HASH).read_bytes()).hexdigest()
    for signer in signers:
        signer.sign_files(bundle, digests)


def fresh(registry: Path, version: str) -> Path:
    """Writes a good bundle that is published now, and leaves it to the caller to sign or spoil it."""
    return publish(registry, version, live=False, published_time=datetime.now(UTC).isoformat())


def edit_manifest(bundle: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Changes the manifest, with a hash to match."""
    manifest = json.loads((bundle / MANIFEST).read_text())
    change(manifest)
    raw = json.dumps(manifest).encode()
    (bundle / MANIFEST).write_bytes(raw)
    (bundle / MANIFEST_HASH).write_text(hashlib.sha256(raw).hexdigest() + "\n")


def put(bundle: Path, name: str, content: bytes) -> None:
    """Puts a file into the bundle and its manifest."""
    (bundle / name).write_bytes(content)
    entry = {"size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    edit_manifest(bundle, lambda manifest: manifest["files"].update({name: entry}))


def path_out_of_the_bundle(registry: Path, version: str, signers: Signers) -> None:
    bundle = fresh(registry, version)
    (registry / "secret").write_bytes(b"secret")
    entry = {"size_bytes": 6, "sha256": hashlib.sha256(b"secret").hexdigest()}
    edit_manifest(bundle, lambda manifest: manifest["files"].update({"documents/../../secret": entry}))
    sign(bundle, signers.trainer, signers.approver)


def symlink(registry: Path, version: str, signers: Signers) -> None:
    bundle = fresh(registry, version)
    sign(bundle, signers.trainer, signers.approver)
    (registry / "elsewhere.onnx").write_bytes((bundle / "model.onnx").read_bytes())
    (bundle / "model.onnx").unlink()
    (bundle / "model.onnx").symlink_to("../elsewhere.onnx")


def pipe_in_place_of_a_signature(registry: Path, version: str, signers: Signers) -> None:
    bundle = fresh(registry, version)
    sign(bundle, signers.trainer, signers.approver)
    os.mkfifo(bundle / "signatures" / "waiting.sig")


def zip_bomb(registry: Path, version: str, signers: Signers) -> None:
    bundle = fresh(registry, version)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("base.npy", bytes(64 << 20))
    put(bundle, "explanation.npz", file.getvalue())
    sign(bundle, signers.trainer, signers.approver)


def archive_of_countless_entries(registry: Path, version: str, signers: Signers) -> None:
    bundle = fresh(registry, version)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(2_000):
            archive.writestr(f"{number}.npy", b"")
    put(bundle, "explanation.npz", file.getvalue())
    sign(bundle, signers.trainer, signers.approver)


def explanation_that_declares_terabytes(registry: Path, version: str, signers: Signers) -> None:
    bundle = fresh(registry, version)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": (1 << 40,)}
    )
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("format_version.npy", header.getvalue())
    put(bundle, "explanation.npz", file.getvalue())
    sign(bundle, signers.trainer, signers.approver)


def _with_model(registry: Path, version: str, signers: Signers, model: bytes) -> None:
    bundle = fresh(registry, version)
    put(bundle, "model.onnx", model)
    sign(bundle, signers.trainer, signers.approver)


def tensor_of_ten_gigabytes(registry: Path, version: str, signers: Signers) -> None:
    model = onnx.load_from_string(linear_model(WEIGHTS))
    tensor = model.graph.initializer.add()
    tensor.name, tensor.data_type = "huge", onnx.TensorProto.FLOAT
    tensor.dims.extend([50_000, 50_000])
    _with_model(registry, version, signers, model.SerializeToString())


def operator_that_makes_sixteen_gigabytes(registry: Path, version: str, signers: Signers) -> None:
    _with_model(registry, version, signers, huge_model(len(FEATURES)))


def tensor_in_a_file_of_the_machine(registry: Path, version: str, signers: Signers) -> None:
    model = onnx.load_from_string(linear_model(WEIGHTS))
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"
    _with_model(registry, version, signers, model.SerializeToString())


def graphs_within_graphs(registry: Path, version: str, signers: Signers) -> None:
    model = onnx.load_from_string(linear_model(WEIGHTS))
    graph = model.graph
    for _ in range(24):
        node = graph.node.add()
        node.op_type = "If"
        attribute = node.attribute.add()
        attribute.name, attribute.type = "then_branch", onnx.AttributeProto.GRAPH
        graph = attribute.g
    _with_model(registry, version, signers, model.SerializeToString())


def manifest_of_endless_brackets(registry: Path, version: str, signers: Signers) -> None:
    bundle = fresh(registry, version)
    digests = dict.fromkeys(("model.onnx", "golden_scores.npy", "golden_features.npy"), "00" * 32)
    raw = b"[" * (1 << 20)
    (bundle / MANIFEST).write_bytes(raw)
    (bundle / MANIFEST_HASH).write_text(hashlib.sha256(raw).hexdigest() + "\n")
    digests[MANIFEST] = hashlib.sha256(raw).hexdigest()
    digests[MANIFEST_HASH] = hashlib.sha256((bundle / MANIFEST_HASH).read_bytes()).hexdigest()
    for signer in (signers.trainer, signers.approver):
        signer.sign_files(bundle, digests)


def signature_of_endless_brackets(registry: Path, version: str, signers: Signers) -> None:
    bundle = fresh(registry, version)
    sign(bundle, signers.trainer, signers.approver)
    (bundle / "signatures" / "deep.sig").write_bytes(b'{"a":' * 100_000)


def surplus_file(registry: Path, version: str, signers: Signers) -> None:
    bundle = fresh(registry, version)
    sign(bundle, signers.trainer, signers.approver)
    (bundle / "documents" / "payload.so").write_bytes(b"\x7fELF")


def no_signature(registry: Path, version: str, signers: Signers) -> None:
    fresh(registry, version)


def wrong_key(registry: Path, version: str, signers: Signers) -> None:
    sign(fresh(registry, version), signers.stranger)


def expired_key(registry: Path, version: str, signers: Signers) -> None:
    sign(fresh(registry, version), signers.trainer, signers.past)


def one_of_two_signatures(registry: Path, version: str, signers: Signers) -> None:
    sign(fresh(registry, version), signers.trainer)


def signatures_of_another_bundle(registry: Path, version: str, signers: Signers) -> None:
    other, bundle = fresh(registry, f"{version}-b"), fresh(registry, version)
    sign(other, signers.trainer, signers.approver)
    (other / "signatures").rename(bundle / "signatures")


def model_exchanged_with_its_hashes(registry: Path, version: str, signers: Signers) -> None:
    bundle = fresh(registry, version)
    sign(bundle, signers.trainer, signers.approver)
    put(bundle, "model.onnx", linear_model([0.0, 0.0, 0.0, 0.0], bias=-9.0))


def older_version_put_back(registry: Path, version: str, signers: Signers) -> None:
    before = (datetime.now(UTC) - timedelta(days=90)).isoformat()
    sign(publish(registry, version, live=False, published_time=before), signers.trainer, signers.approver)


HOSTILE: dict[Make, set[RefusalReason]] = {
    path_out_of_the_bundle: {RefusalReason.MANIFEST_INVALID},
    symlink: {RefusalReason.MANIFEST_INVALID},
    pipe_in_place_of_a_signature: {RefusalReason.MANIFEST_INVALID},
    zip_bomb: {RefusalReason.EXPLANATION_INVALID},
    archive_of_countless_entries: {RefusalReason.EXPLANATION_INVALID},
    explanation_that_declares_terabytes: {RefusalReason.EXPLANATION_INVALID},
    tensor_of_ten_gigabytes: {RefusalReason.NOT_LOADABLE},
    # Told that there is no more memory, or killed.
    operator_that_makes_sixteen_gigabytes: {RefusalReason.NOT_LOADABLE, RefusalReason.TRIAL_FAILED},
    tensor_in_a_file_of_the_machine: {RefusalReason.NOT_LOADABLE},
    graphs_within_graphs: {RefusalReason.NOT_LOADABLE},
    manifest_of_endless_brackets: {RefusalReason.MANIFEST_INVALID},
    signature_of_endless_brackets: {RefusalReason.SIGNATURE_INVALID},
    surplus_file: {RefusalReason.SURPLUS_FILE},
    no_signature: {RefusalReason.SIGNATURE_MISSING},
    wrong_key: {RefusalReason.SIGNATURE_KEY_UNKNOWN},
    expired_key: {RefusalReason.SIGNATURE_KEY_EXPIRED},
    one_of_two_signatures: {RefusalReason.SIGNATURE_BELOW_THRESHOLD},
    signatures_of_another_bundle: {RefusalReason.SIGNATURE_INVALID},
    model_exchanged_with_its_hashes: {RefusalReason.SIGNATURE_INVALID},
    older_version_put_back: {RefusalReason.MODEL_ROLLED_BACK},
}
