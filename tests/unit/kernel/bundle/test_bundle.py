from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kuntur.bundle import bundle
from kuntur.bundle.bundle import (
    BundleRefusedError,
    Manifest,
    RefusalReason,
    Registry,
    check_time_zone,
    feature_uses,
    read_bundle,
    read_judged,
    write_bundle,
)
from kuntur.reasons import LinearExplanation, write_explanation
from kuntur.time_zone import time_zone
from tests.support.bundles import manifest, refit

NAMES = ("amount", "hour", "attribute.limit_ratio")
MODEL = b"\x08\x0ain truth an ONNX graph" * 100
FEATURES = np.arange(12, dtype=np.float32).reshape(4, 3)
SCORES = np.array([0.1, 0.2, 0.3, 0.9], dtype=np.float32)


def make_manifest(version: str = "v1", **changes: object) -> Manifest:
    fields: dict[str, object] = {
        "fraud_count": 7,
        "metrics": {"average_precision": 0.5, "precision_at_100": 0.25},
        "parameters": {"max_depth": 6, "note": "niño", "weight": None},
        "parity": {"rows": 4, "largest_difference": 0.0},
        "library_versions": {"xgboost": "3.1"},
    }
    return manifest(version, NAMES, **(fields | changes))


def write(registry: Path, described: Manifest | None = None) -> Path:
    documents = {"model_card.md": b"# Card\n", "figures/pr.svg": b"<svg/>"}
    return write_bundle(registry, described or make_manifest(), MODEL, FEATURES, SCORES, documents)


def rewrite_manifest(path: Path, change: Callable[[dict], None]) -> None:
    """Changes the manifest and makes its hash right again, as a hostile or broken writer would."""
    content = json.loads((path / bundle.MANIFEST).read_text())
    change(content)
    raw = json.dumps(content).encode()
    (path / bundle.MANIFEST).write_bytes(raw)
    (path / bundle.MANIFEST_HASH).write_text(hashlib.sha256(raw).hexdigest())


def replace_file(path: Path, name: str, content: bytes) -> None:
    """Puts another file in the bundle, and its size and hash in the manifest."""
    (path / name).write_bytes(content)
    entry = {"size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    rewrite_manifest(path, lambda manifest: manifest["files"].update({name: entry}))


def refusal(path: Path) -> RefusalReason:
    with pytest.raises(BundleRefusedError) as refused:
        read_bundle(path)
    assert refused.value.message
    return refused.value.reason


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = write(tmp_path)
    read = read_bundle(path)
    assert read.path == path == tmp_path / "v1"
    assert read.model == MODEL
    assert np.array_equal(read.golden_features, FEATURES)
    assert np.array_equal(read.golden_scores, SCORES)
    assert read.manifest.model_copy(update={"files": {}}) == make_manifest()
    assert read.manifest.feature_names == NAMES
    assert sorted(read.manifest.files) == [
        "documents/figures/pr.svg",
        "documents/model_card.md",
        "golden_features.npy",
        "golden_scores.npy",
        "model.onnx",
    ]


def test_the_same_inputs_give_the_same_bytes(tmp_path: Path) -> None:
    one, other = write(tmp_path / "one"), write(tmp_path / "other")
    files = sorted(p.relative_to(one) for p in one.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(other) for p in other.rglob("*") if p.is_file())
    assert all((one / name).read_bytes() == (other / name).read_bytes() for name in files)


def test_a_version_never_changes(tmp_path: Path) -> None:
    path = write(tmp_path)
    before = (path / bundle.MANIFEST).read_bytes()
    with pytest.raises(FileExistsError, match="never changes"):
        write(tmp_path, make_manifest(algorithm="other"))
    assert (path / bundle.MANIFEST).read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["v1"]


@pytest.mark.parametrize("step", ["write_bytes", "_sha256", "_sync", "rename"])
def test_a_writer_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(bundle if step.startswith("_") else Path, step, fail)
    with pytest.raises(OSError, match="disk full"):
        write(tmp_path)
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []
    assert read_bundle(write(tmp_path)).model == MODEL


def test_a_writer_that_is_killed_leaves_nothing_that_a_reader_sees(tmp_path: Path) -> None:
    path = write(tmp_path / "elsewhere")
    shutil.copytree(path, tmp_path / ".v1.4711")
    registry = Registry(tmp_path)
    assert "v1" not in registry.versions()
    assert refusal(registry.bundle_path("v1")) is RefusalReason.INCOMPLETE


def test_a_name_that_leads_out_of_the_bundle_is_not_written(tmp_path: Path) -> None:
    for name in ("../../evil", "/tmp/evil", "figures/../../../evil"):  # noqa: S108 - never written
        with pytest.raises(ValueError, match="outside the bundle"):
            write_bundle(tmp_path, make_manifest(), MODEL, FEATURES, SCORES, {name: b""})
    with pytest.raises(ValueError, match="which version is live"):
        write(tmp_path, make_manifest("LIVE"))


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "documents/../../secret", "documents/link"])
def test_a_manifest_that_points_out_of_the_bundle_is_refused(tmp_path: Path, name: str) -> None:
    path = write(tmp_path)
    (tmp_path / "secret").write_bytes(b"secret")
    (path / "documents" / "link").symlink_to(tmp_path / "secret")
    entry = {"size_bytes": 6, "sha256": hashlib.sha256(b"secret").hexdigest()}
    rewrite_manifest(path, lambda manifest: manifest["files"].update({name: entry}))
    assert refusal(path) is RefusalReason.MANIFEST_INVALID


def test_a_bundle_with_a_missing_file_is_incomplete(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole")
    files = [p.relative_to(whole) for p in whole.rglob("*") if p.is_file()]
    assert len(files) == 7
    for name in files:
        path = tmp_path / "v1"
        shutil.copytree(whole, path)
        (path / name).unlink()
        assert refusal(path) is RefusalReason.INCOMPLETE, name
        shutil.rmtree(path)
    assert refusal(tmp_path / "nowhere") is RefusalReason.INCOMPLETE


@pytest.mark.parametrize("name", ["model.onnx", "golden_features.npy", "documents/model_card.md"])
def test_a_truncated_file_and_a_flipped_bit_have_each_their_reason(tmp_path: Path, name: str) -> None:
    path = write(tmp_path)
    content = (path / name).read_bytes()
    (path / name).write_bytes(content[:-1])
    assert refusal(path) is RefusalReason.SIZE_MISMATCH
    (path / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert refusal(path) is RefusalReason.HASH_MISMATCH
    (path / name).write_bytes(content)
    read_bundle(path)


def test_a_manifest_with_a_flipped_bit_is_refused_at_every_byte(tmp_path: Path) -> None:
    path = write(tmp_path)
    content = (path / bundle.MANIFEST).read_bytes()
    for at in range(0, len(content), 97):
        flipped = bytearray(content)
        flipped[at] ^= 4
        (path / bundle.MANIFEST).write_bytes(flipped)
        assert refusal(path) is RefusalReason.HASH_MISMATCH


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda m: m.update(format_version=2), RefusalReason.MANIFEST_INVALID),
        (lambda m: m.update(model_version="v2"), RefusalReason.MANIFEST_INVALID),
        (lambda m: m.update(model_version="../v1"), RefusalReason.MANIFEST_INVALID),
        (lambda m: m.update(surprise=1), RefusalReason.MANIFEST_INVALID),
        (lambda m: m.pop("thresholds"), RefusalReason.MANIFEST_INVALID),
        (lambda m: m["thresholds"].update(decline=0.1), RefusalReason.MANIFEST_INVALID),
        (lambda m: m.update(features=[]), RefusalReason.MANIFEST_INVALID),
        (lambda m: m["files"].pop("model.onnx"), RefusalReason.INCOMPLETE),
        (lambda m: m["files"].pop("golden_scores.npy"), RefusalReason.INCOMPLETE),
        (lambda m: m["features"][0].update(name="unheard_of"), RefusalReason.FEATURE_UNKNOWN),
        (lambda m: m["features"][0].update(fingerprint="0" * 16), RefusalReason.FEATURE_CHANGED),
        (lambda m: m["features"].pop(), RefusalReason.NOT_LOADABLE),
    ],
)
def test_a_manifest_that_is_hashed_but_wrong_has_its_reason(
    tmp_path: Path, change: Callable[[dict], None], reason: RefusalReason
) -> None:
    path = write(tmp_path)
    rewrite_manifest(path, change)
    assert refusal(path) is reason


def _saved(array: np.ndarray) -> bytes:
    from io import BytesIO

    file = BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no array",
        b"PK\x03\x04 an archive",
        _saved(FEATURES.astype(np.float64)),
        _saved(FEATURES[:3]),
        _saved(FEATURES[:, :2]),
        _saved(np.float32(1)),
        _saved(FEATURES)[:-1],
    ],
)
def test_golden_vectors_that_are_hashed_but_wrong_cannot_be_loaded(tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path)
    replace_file(path, bundle.GOLDEN_FEATURES, content)
    assert refusal(path) is RefusalReason.NOT_LOADABLE


def test_a_manifest_that_is_a_directory_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path)
    (path / bundle.MANIFEST).unlink()
    (path / bundle.MANIFEST).mkdir()
    assert refusal(path) is RefusalReason.MANIFEST_INVALID


def test_a_feature_that_nobody_defines_cannot_be_used() -> None:
    with pytest.raises(KeyError, match="unheard_of"):
        feature_uses(("amount", "unheard_of"))


def test_a_registry_names_its_versions_and_the_live_one(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "registry")
    assert registry.versions() == []
    assert registry.live_version() is None
    write(registry.path, make_manifest("v2"))
    write(registry.path, make_manifest("v1"))
    registry.set_live("v1")
    registry.set_live("v2")
    assert registry.versions() == ["v1", "v2"]
    assert registry.live_version() == "v2"
    assert sorted(p.name for p in registry.path.iterdir()) == ["LIVE", "v1", "v2"]


def test_metrics_that_are_not_numbers_survive(tmp_path: Path) -> None:
    path = write(tmp_path, make_manifest(metrics={"recall": float("nan")}))
    assert np.isnan(read_bundle(path).manifest.metrics["recall"])


def test_what_explains_a_model_is_read_with_it_and_refused_when_it_does_not_fit(tmp_path: Path) -> None:
    linear = LinearExplanation(np.zeros(3), np.ones(3), 0.5, 1.0)
    path = write_bundle(
        tmp_path, make_manifest(), MODEL, FEATURES, SCORES, {}, explanation=write_explanation(linear)
    )
    read = read_bundle(path)
    assert read.explanation is not None
    assert np.array_equal(read.explanation.contributions(FEATURES), linear.contributions(FEATURES))
    assert bundle.EXPLANATION in read.manifest.files
    for columns in (2, 4):
        other = LinearExplanation(np.zeros(columns), np.ones(columns), 0.5, 1.0)
        replace_file(path, bundle.EXPLANATION, write_explanation(other))
        assert refusal(path) is RefusalReason.EXPLANATION_INVALID
    replace_file(path, bundle.EXPLANATION, b"no archive")
    assert refusal(path) is RefusalReason.EXPLANATION_INVALID
    (path / bundle.EXPLANATION).unlink()
    assert refusal(path) is RefusalReason.INCOMPLETE


def test_a_bundle_without_an_explanation_is_whole(tmp_path: Path) -> None:
    assert read_bundle(write(tmp_path)).explanation is None


def test_a_model_of_another_time_zone_is_refused_if_a_feature_of_it_is_in_local_time() -> None:
    madrid, lima = time_zone("Europe/Madrid"), time_zone("America/Lima")
    told = "'hour' was trained in the time zone Europe/Madrid and is computed in America/Lima here: set inst"
    with pytest.raises(BundleRefusedError, match=told) as refused:
        check_time_zone(manifest("v1", NAMES, time_zone="Europe/Madrid"), lima)
    assert refused.value.reason is RefusalReason.FEATURE_CHANGED
    check_time_zone(manifest("v1", ("amount", "attribute.limit"), time_zone="Europe/Madrid"), lima)
    check_time_zone(manifest("v1", NAMES, time_zone="Europe/Madrid"), madrid)
    check_time_zone(manifest("v1", NAMES, time_zone="America/Bogota"), lima)  # its clock is the same


def test_a_bundle_from_before_zones_is_peru_s(tmp_path: Path) -> None:
    path = write(tmp_path)
    rewrite_manifest(path, lambda content: content.pop("time_zone"))
    assert read_bundle(path).manifest.time_zone == "America/Lima"


def test_a_manifest_of_a_zone_that_there_is_not_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path)
    rewrite_manifest(path, lambda content: content.update(time_zone="Peru/Lima"))
    assert refusal(path) is RefusalReason.MANIFEST_INVALID


def test_the_judged_fit_is_the_model_itself_unless_it_was_fitted_again(tmp_path: Path) -> None:
    assert read_judged(read_bundle(write(tmp_path))) == MODEL
    described = make_manifest("v2", refit=refit("2024-04-01T00:00:00Z"))
    path = write_bundle(tmp_path, described, MODEL, FEATURES, SCORES, {}, judged=MODEL[::-1])
    found = read_bundle(path)
    assert (found.model, read_judged(found)) == (MODEL, MODEL[::-1])
    assert found.manifest.window.train_end_time == "2024-03-01T00:00:00Z"
    assert found.manifest.train_end_time == "2024-04-01T00:00:00Z"
    assert (found.manifest.thresholds.review, found.manifest.judged_thresholds.review) == (0.5, 0.25)


def test_a_judged_fit_that_is_missing_or_another_since_is_refused(tmp_path: Path) -> None:
    described = make_manifest(refit=refit("2024-04-01T00:00:00Z"))
    lacking = read_bundle(write(tmp_path, described))
    with pytest.raises(BundleRefusedError) as refused:
        read_judged(lacking)
    assert refused.value.reason is RefusalReason.INCOMPLETE
    other = make_manifest("v2", refit=described.refit)
    whole = read_bundle(write_bundle(tmp_path, other, MODEL, FEATURES, SCORES, {}, judged=MODEL))
    (whole.path / bundle.JUDGED).write_bytes(MODEL[::-1])
    with pytest.raises(BundleRefusedError) as refused:
        read_judged(whole)
    assert refused.value.reason is RefusalReason.HASH_MISMATCH
