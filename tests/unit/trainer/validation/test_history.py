"""Importance over the versions of a registry: what is read, in which order, and what is left out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from kuntur.bundle.bundle import Registry
from tests.unit.trainer.samples import NAMES, WINDOW, manifest_of, served_model
from trainer.card.validation_plots import ranks_by_version
from trainer.release.dossier import feature_document
from trainer.release.manifest import BundleName
from trainer.release.publish import publish
from trainer.validation.history import ImportanceHistory, Version, by_importance, importance_history

WEIGHTS = dict(zip(NAMES, (0.1, 0.4, 0.3, 0.15, 0.05), strict=True))


def publish_version(registry: Registry, name: str, end: str, weights: list[float]) -> None:
    model = served_model(importance=np.array(weights))
    window = WINDOW.model_copy(update={"validation_end_time": end})
    manifest = manifest_of(BundleName(name, ""), model, window=window)
    publish(registry, manifest, model, {"features.json": feature_document(NAMES, model.importance)})


def model(end: str = "2024-04-01T00:00:00+00:00") -> Version:
    return Version("", "xgboost", "", end, by_importance(WEIGHTS.items()), None)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    found = Registry(tmp_path / "registry")
    publish_version(found, "b-second", "2024-02-01T00:00:00+00:00", [0.5, 0.2, 0.1, 0.1, 0.1])
    publish_version(found, "a-third", "2024-03-01T00:00:00+00:00", [0.1, 0.2, 0.3, 0.4, 0.0])
    publish_version(found, "c-first", "2024-01-01T00:00:00+00:00", [0.2, 0.2, 0.2, 0.2, 0.2])
    return found


def names(history: ImportanceHistory) -> list[str]:
    return [each.version for each in history.versions]


def test_versions_stand_by_the_end_of_their_test_window_and_the_model_last(registry: Registry) -> None:
    found = importance_history(registry, model(), "own", 8)
    assert names(found) == ["c-first", "b-second", "a-third", ""]
    assert [each.kept for each in found.versions] == [None, 5, 5, 5]
    third = found.versions[2]
    assert [weight.name for weight in third.features[:2]] == [NAMES[3], NAMES[2]]
    assert third.features[0].importance == 0.4
    assert found.unread == ()


def test_the_newest_are_kept_and_later_ones_and_the_model_itself_are_left_out(registry: Registry) -> None:
    assert names(importance_history(registry, model(), "own", 2)) == ["b-second", "a-third", ""]
    assert names(importance_history(registry, model(), "a-third", 8)) == ["c-first", "b-second", ""]
    earlier = model("2024-02-15T00:00:00+00:00")
    assert names(importance_history(registry, earlier, "own", 8)) == ["c-first", "b-second", ""]
    assert names(importance_history(registry, model(), "own", 0)) == [""]
    assert names(importance_history(Registry(registry.path / "none"), model(), "own", 8)) == [""]


def test_what_was_changed_is_left_out_and_named(registry: Registry) -> None:
    document = registry.bundle_path("b-second") / "documents" / "features.json"
    rows = json.loads(document.read_bytes())
    rows[0]["importance"] = 0.9
    document.write_text(json.dumps(rows))
    (registry.bundle_path("a-third") / "manifest.json").write_text("{}")
    found = importance_history(registry, model(), "own", 8)
    assert names(found) == ["c-first", ""]
    assert len(found.unread) == 2
    assert any(text.startswith("b-second: documents/features.json is not as") for text in found.unread)
    document.unlink()
    document.symlink_to("/dev/zero")
    assert "b-second" not in names(importance_history(registry, model(), "own", 8))


def test_ranks_follow_the_features_of_the_last_version_and_a_gap_is_none() -> None:
    versions = [
        {"features": [{"name": "b", "importance": 0.6}, {"name": "a", "importance": 0.4}]},
        {"features": [{"name": "a", "importance": 0.7}, {"name": "c", "importance": 0.3}]},
    ]
    assert ranks_by_version(versions) == [("a", [2, 1]), ("c", [None, 2])]


def test_of_equal_importance_the_first_by_name_comes_first() -> None:
    found = by_importance([("b", 0.2), ("a", 0.2), ("c", 0.6)])
    assert [weight.name for weight in found] == ["c", "a", "b"]
