from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper
from structlog.testing import capture_logs

from kuntur.bundle.bundle import MANIFEST, MANIFEST_HASH, MODEL, RefusalReason, Registry
from kuntur.bundle.files import read_file
from server.errors import ModelNotFoundError, NoLiveModelError
from server.models import LiveModel, LiveSlot, ModelListing, ModelState, ModelWatcher
from server.telemetry.metrics import ServerMetrics
from server.trial.process import TrialLimits, TrialProcess
from tests.support.bundles import FEATURES, onnx_model, publish, publish_constant
from tests.support.serving import shared_trial, wait_until


class Watched:
    """A watcher that looks when it is told to."""

    def __init__(self, path: Path, limits: TrialLimits | None = None) -> None:
        self.path = path
        self.slot = LiveSlot()
        self.metrics = ServerMetrics()
        self.told: list[LiveModel] = []
        self.watcher = ModelWatcher(
            Registry(path),
            self.slot,
            self.metrics,
            trial=shared_trial() if limits is None else TrialProcess(limits),
            poll_interval_s=60.0,
            on_live=self.told.append,
        )
        self.listing = ModelListing(Registry(path), self.slot, self.watcher)

    @property
    def live(self) -> str | None:
        return self.slot.live.model.version if self.slot.live else None

    def refused(self, reason: RefusalReason) -> float:
        value = self.metrics.registry.get_sample_value("kuntur_bundles_refused_total", {"reason": reason})
        assert value is not None
        return value


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    registry = tmp_path / "registry"
    registry.mkdir()
    return Watched(registry)


def edit_manifest(bundle: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Changes a manifest and its hash, as whoever builds bundles wrongly would."""
    content = json.loads((bundle / MANIFEST).read_text())
    change(content)
    write_manifest(bundle, json.dumps(content).encode())


def write_manifest(bundle: Path, raw: bytes) -> None:
    (bundle / MANIFEST).write_bytes(raw)
    (bundle / MANIFEST_HASH).write_text(hashlib.sha256(raw).hexdigest() + "\n")


def replace_file(bundle: Path, name: str, content: bytes) -> None:
    """Puts other content in place of a file, with the manifest to match."""
    (bundle / name).write_bytes(content)
    entry = {"size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    edit_manifest(bundle, lambda m: m["files"].update({name: entry}))


def flip_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def drop_model(bundle: Path) -> None:
    (bundle / MODEL).unlink()


def drop_manifest(bundle: Path) -> None:
    (bundle / MANIFEST).unlink()


def drop_manifest_hash(bundle: Path) -> None:
    (bundle / MANIFEST_HASH).unlink()


def drop_bundle(bundle: Path) -> None:
    shutil.rmtree(bundle)


def half_write_model(bundle: Path) -> None:
    content = (bundle / MODEL).read_bytes()
    (bundle / MODEL).write_bytes(content[: len(content) // 2])


def truncate_golden(bundle: Path) -> None:
    (bundle / "golden_scores.npy").write_bytes(b"")


def flip_model(bundle: Path) -> None:
    flip_bit(bundle / MODEL)


def flip_manifest(bundle: Path) -> None:
    flip_bit(bundle / MANIFEST)


def flip_document(bundle: Path) -> None:
    flip_bit(bundle / "documents" / "card.md")


def spoil_manifest(bundle: Path) -> None:
    write_manifest(bundle, b'{"format_version": 1')


def use_later_format(bundle: Path) -> None:
    edit_manifest(bundle, lambda m: m.update(format_version=2))


def rename_version(bundle: Path) -> None:
    edit_manifest(bundle, lambda m: m.update(model_version="another"))


def use_unknown_feature(bundle: Path) -> None:
    edit_manifest(bundle, lambda m: m["features"][0].update(name="moon_phase"))


def use_changed_feature(bundle: Path) -> None:
    edit_manifest(bundle, lambda m: m["features"][0].update(fingerprint="0" * 16))


def write_garbage_model(bundle: Path) -> None:
    replace_file(bundle, MODEL, b"this is no model")


def write_empty_model(bundle: Path) -> None:
    replace_file(bundle, MODEL, b"")


def _identity(**changes: Any) -> bytes:
    names = {"input_name": "features", "output_name": "probability"} | changes
    node = helper.make_node("ReduceMax", [names["input_name"]], [names["output_name"]], axes=[1], keepdims=0)
    width = names.pop("width", len(FEATURES))
    return onnx_model([node], {}, width, **names)


def rename_input(bundle: Path) -> None:
    replace_file(bundle, MODEL, _identity(input_name="x"))


def rename_output(bundle: Path) -> None:
    replace_file(bundle, MODEL, _identity(output_name="score"))


def widen_input(bundle: Path) -> None:
    replace_file(bundle, MODEL, _identity(width=len(FEATURES) + 1))


def change_output_type(bundle: Path) -> None:
    nodes = [
        helper.make_node("ReduceMax", ["features"], ["largest"], axes=[1], keepdims=0),
        helper.make_node("Cast", ["largest"], ["probability"], to=TensorProto.DOUBLE),
    ]
    replace_file(bundle, MODEL, onnx_model(nodes, {}, len(FEATURES), output_type=TensorProto.DOUBLE))


def answer_one_row_for_all(bundle: Path) -> None:
    nodes = [helper.make_node("ReduceMax", ["features"], ["probability"], keepdims=0)]
    replace_file(bundle, MODEL, onnx_model(nodes, {}, len(FEATURES)))


def _saved(array: Any, bundle: Path, name: str) -> None:
    np.save(bundle / name, array)
    replace_file(bundle, name, (bundle / name).read_bytes())


def shift_golden(bundle: Path) -> None:
    scores = np.load(bundle / "golden_scores.npy")
    scores[9] += np.float32(1e-5)
    _saved(scores, bundle, "golden_scores.npy")


def unset_golden(bundle: Path) -> None:
    scores = np.load(bundle / "golden_scores.npy")
    scores[2] = np.nan
    _saved(scores, bundle, "golden_scores.npy")


def empty_golden(bundle: Path) -> None:
    _saved(np.empty(0, np.float32), bundle, "golden_scores.npy")
    _saved(np.empty((0, len(FEATURES)), np.float32), bundle, "golden_features.npy")


def flatten_golden(bundle: Path) -> None:
    _saved(np.float32(0.5), bundle, "golden_scores.npy")


R = RefusalReason
FAULTS = [
    (drop_bundle, R.INCOMPLETE, "no bundle"),
    (drop_model, R.INCOMPLETE, "model.onnx is missing"),
    (drop_manifest, R.INCOMPLETE, "manifest.json is missing"),
    (drop_manifest_hash, R.INCOMPLETE, "manifest.sha256 is missing"),
    (half_write_model, R.SIZE_MISMATCH, "model.onnx has"),
    (truncate_golden, R.SIZE_MISMATCH, "golden_scores.npy has 0 bytes"),
    (flip_model, R.HASH_MISMATCH, "model.onnx does not have its hash"),
    (flip_document, R.HASH_MISMATCH, "card.md does not have its hash"),
    (flip_manifest, R.HASH_MISMATCH, "manifest.json does not have its hash"),
    (spoil_manifest, R.MANIFEST_INVALID, "manifest.json"),
    (use_later_format, R.MANIFEST_INVALID, "format_version"),
    (rename_version, R.MANIFEST_INVALID, "is of another"),
    (use_unknown_feature, R.FEATURE_UNKNOWN, "'moon_phase'"),
    (use_changed_feature, R.FEATURE_CHANGED, "'amount'"),
    (write_garbage_model, R.NOT_LOADABLE, ""),
    (write_empty_model, R.NOT_LOADABLE, ""),
    (rename_input, R.NOT_LOADABLE, "the inputs are x"),
    (rename_output, R.NOT_LOADABLE, "the outputs are score"),
    (widen_input, R.NOT_LOADABLE, "has the shape"),
    (change_output_type, R.NOT_LOADABLE, "tensor(double)"),
    (answer_one_row_for_all, R.NOT_LOADABLE, "probability is float32 []"),
    (flatten_golden, R.NOT_LOADABLE, ""),
    (shift_golden, R.GOLDEN_MISMATCH, "golden row 9 scores"),
    (unset_golden, R.GOLDEN_MISMATCH, "golden row 2 scores"),
    (empty_golden, R.GOLDEN_MISMATCH, "no golden vectors"),
]


@pytest.mark.parametrize(("fault", "reason", "message"), FAULTS, ids=[f.__name__ for f, _, _ in FAULTS])
def test_a_faulty_bundle_is_refused_with_its_reason_and_the_live_model_stays(
    watched: Watched, fault: Callable[[Path], None], reason: RefusalReason, message: str
) -> None:
    publish(watched.path, "good")
    watched.watcher.poll()
    before = watched.slot.live
    fault(publish(watched.path, "bad"))
    watched.watcher.poll()
    assert watched.slot.live is before
    refusal = watched.watcher.refusals["bad"]
    assert refusal.reason is reason
    assert message in refusal.message
    assert str(watched.path) not in refusal.message
    assert watched.refused(reason) == 1
    record = watched.listing.get("bad")
    assert record.state is ModelState.REFUSED
    assert record.refusal == (reason, refusal.message)
    assert [r.model_version for r in watched.listing.all() if r.state is ModelState.LIVE] == ["good"]
    assert "bad" in [r.model_version for r in watched.listing.all()]


def test_a_model_goes_live_when_it_is_chosen(watched: Watched) -> None:
    watched.watcher.poll()
    assert watched.live is None
    publish(watched.path, "m-1", live=False)
    watched.watcher.poll()
    assert watched.live is None
    Registry(watched.path).set_live("m-1")
    watched.watcher.poll()
    assert watched.live == "m-1"
    assert [model.version for model in watched.told] == ["m-1"]


def test_an_earlier_model_can_be_chosen_again(watched: Watched) -> None:
    for version in ("m-1", "m-2"):
        publish(watched.path, version)
        watched.watcher.poll()
    Registry(watched.path).set_live("m-1")
    watched.watcher.poll()
    assert [model.version for model in watched.told] == ["m-1", "m-2", "m-1"]


def test_a_model_that_is_live_is_not_loaded_again(watched: Watched) -> None:
    publish(watched.path, "m-1")
    for _ in range(3):
        watched.watcher.poll()
    assert len(watched.told) == 1


def test_a_refused_bundle_is_tried_again_only_when_its_files_change(watched: Watched) -> None:
    bundle = publish(watched.path, "m-1")
    whole = (bundle / MODEL).read_bytes()
    half_write_model(bundle)
    for _ in range(3):
        watched.watcher.poll()
    assert watched.refused(RefusalReason.SIZE_MISMATCH) == 1
    (bundle / MODEL).write_bytes(whole)
    watched.watcher.poll()
    assert watched.live == "m-1"
    assert watched.watcher.refusals == {}


@pytest.mark.parametrize("failure", [OSError(errno.EMFILE, "Too many open files"), MemoryError()])
def test_a_bundle_that_could_not_be_read_is_tried_again_at_each_look(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    def fails(directory: Path, name: str, max_bytes: int) -> bytes:
        if name == MODEL:
            raise failure
        return read_file(directory, name, max_bytes)

    publish(watched.path, "m-1")
    with monkeypatch.context() as passing:
        passing.setattr("kuntur.bundle.bundle.read_file", fails)
        for _ in range(3):
            watched.watcher.poll()
    assert watched.watcher.refusals["m-1"].reason is RefusalReason.INCOMPLETE
    assert watched.refused(RefusalReason.INCOMPLETE) == 1
    watched.watcher.poll()
    assert watched.live == "m-1"


def test_a_refused_bundle_is_not_tried_again_when_it_is_chosen_again(watched: Watched) -> None:
    flip_model(publish(watched.path, "bad"))
    watched.watcher.poll()
    publish(watched.path, "good")
    watched.watcher.poll()
    Registry(watched.path).set_live("bad")
    watched.watcher.poll()
    assert watched.live == "good"
    assert watched.refused(RefusalReason.HASH_MISMATCH) == 1


def test_a_live_model_whose_files_go_bad_keeps_scoring_from_memory(watched: Watched) -> None:
    bundle = publish(watched.path, "m-1")
    watched.watcher.poll()
    flip_model(bundle)
    watched.watcher.poll()
    assert watched.live == "m-1"
    assert watched.refused(RefusalReason.HASH_MISMATCH) == 1
    assert watched.listing.get("m-1").state is ModelState.LIVE


def test_a_registry_that_names_a_path_is_refused(watched: Watched) -> None:
    publish(watched.path.parent / "elsewhere", "m-1")
    (watched.path / "LIVE").write_text("../elsewhere/m-1\n")
    watched.watcher.poll()
    assert watched.live is None
    assert watched.watcher.refusals["../elsewhere/m-1"].reason is RefusalReason.INCOMPLETE
    assert watched.listing.all() == []


def test_a_watcher_outlives_an_unreadable_registry(watched: Watched) -> None:
    (watched.path / "LIVE").write_bytes(b"\xff\xfe")
    watcher = ModelWatcher(
        Registry(watched.path),
        watched.slot,
        watched.metrics,
        trial=shared_trial(),
        poll_interval_s=0.01,
        on_live=lambda _: None,
    )
    watcher.look()
    watcher.start()
    assert watched.live is None
    publish(watched.path, "m-1")
    wait_until(lambda: watched.live == "m-1")
    watcher.stop()


def test_the_listing_is_newest_first_and_gives_unreadable_bundles_without_fields(watched: Watched) -> None:
    publish(watched.path, "b-first")
    publish(watched.path, "a-second", live=False)
    spoil_manifest(publish(watched.path, "c-third", live=False))
    watched.watcher.poll()
    records = watched.listing.all()
    assert [(r.model_version, r.state) for r in records] == [
        ("c-third", ModelState.REFUSED),
        ("a-second", ModelState.AVAILABLE),
        ("b-first", ModelState.LIVE),
    ]
    assert records[0].manifest is None
    assert records[2].live_since is not None


@pytest.mark.parametrize("name", ["absent", "", "..", "../registry", "a/b", ".hidden", "x" * 200])
def test_a_model_that_is_not_there_is_not_found(watched: Watched, name: str) -> None:
    with pytest.raises(ModelNotFoundError):
        watched.listing.get(name)


def test_without_a_live_model_there_is_none_to_give(watched: Watched) -> None:
    with pytest.raises(NoLiveModelError):
        watched.listing.live()


def test_decisions_compare_in_float32_at_the_thresholds(watched: Watched) -> None:
    below = float(np.nextafter(np.float32(0.5), np.float32(0)))
    decisions = []
    for version, probability in (("a", below), ("b", 0.5), ("c", 0.9), ("d", 0.1)):
        publish_constant(watched.path, version, probability)
        watched.watcher.poll()
        assert watched.slot.live is not None
        matrix = np.zeros((2, 200), dtype=np.float32)
        scores = watched.slot.live.model.score(matrix, {})
        assert scores.model_version == version
        decisions.append(scores.decision.tolist())
    assert decisions == [[1, 1], [2, 2], [3, 3], [1, 1]]


def test_a_model_whose_golden_scores_are_no_numbers_is_refused(watched: Watched) -> None:
    publish_constant(watched.path, "nan", float("nan"))
    watched.watcher.poll()
    assert watched.slot.live is None


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_a_live_file_that_is_none_is_told_once_and_does_no_harm(
    watched: Watched, make: Callable[[Path], None]
) -> None:
    publish(watched.path, "m-1")
    watched.watcher.look()
    (watched.path / "LIVE").unlink()
    make(watched.path / "LIVE")
    with capture_logs() as logs:
        for _ in range(3):
            watched.watcher.look()
    assert [log["event"] for log in logs] == ["the registry cannot be read"]
    assert "exc_info" not in logs[0]
    assert watched.live == "m-1"
    assert [record.model_version for record in watched.listing.all()] == ["m-1"]


@pytest.mark.parametrize("name", [MANIFEST, MANIFEST_HASH, MODEL, "documents/card.md"])
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_a_file_of_a_bundle_that_is_none_is_refused_without_waiting(
    watched: Watched, make: Callable[[Path], None], name: str
) -> None:
    bundle = publish(watched.path, "m-1")
    (bundle / name).unlink()
    make(bundle / name)
    watched.watcher.poll()
    assert watched.watcher.refusals["m-1"].reason is RefusalReason.MANIFEST_INVALID
    assert "regular file" in watched.watcher.refusals["m-1"].message


def test_what_is_loaded_is_what_was_hashed(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = publish(watched.path, "m-1")
    read: list[str] = []

    def once(directory: Path, name: str, max_bytes: int) -> bytes:
        content = read_file(directory, name, max_bytes)
        read.append(name)
        (directory / name).write_bytes(b"something else")  # as whoever replaces it in this moment would
        return content

    monkeypatch.setattr("kuntur.bundle.bundle.read_file", once)
    watched.watcher.poll()
    assert watched.live == "m-1"
    assert len(read) == len(set(read))
    assert (bundle / MODEL).read_bytes() == b"something else"


def test_a_bundle_of_another_time_zone_is_refused_and_the_live_one_stays(watched: Watched) -> None:
    publish_constant(watched.path, "before", 0.5)
    watched.watcher.look()
    publish(watched.path, "of-madrid", features=("hour", *FEATURES[1:]), time_zone="Europe/Madrid")
    with capture_logs() as logs:
        watched.watcher.look()
    assert watched.live == "before"
    assert watched.refused(RefusalReason.FEATURE_CHANGED) == 1
    (told,) = [log["message"] for log in logs if log["event"] == "bundle refused"]
    assert "trained in the time zone Europe/Madrid and is computed in America/Lima here" in told
