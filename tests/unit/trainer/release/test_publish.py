from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import polars as pl
import pytest

from kuntur.bundle.bundle import MODEL, Registry, Thresholds, read_bundle
from kuntur.features import CATALOGUE
from kuntur.tables import RejectReport, Table, canonical_schema
from tests.unit.trainer.samples import (
    CALIBRATION,
    NAMES,
    WINDOW,
    features,
    fitted,
    published,
    served_model,
    training_data,
)
from trainer.export import build_explanation, build_onnx
from trainer.models import FAMILIES
from trainer.origin import git_revision, library_versions
from trainer.release.candidate import ServedModel
from trainer.release.dossier import feature_document
from trainer.release.manifest import model_version
from trainer.release.publish import golden_rows
from trainer.search.result import SearchResult, Trial, trials_as_json
from trainer.settings.judging import GateSettings
from trainer.sources.quality import quality_profile


def strictly(document: bytes) -> Any:
    """Reads JSON as the standard has it: NaN and Infinity are none."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(document, parse_constant=refuse)


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_the_same_inputs_give_the_same_bundle(name: str, tmp_path: Path) -> None:
    first, second = (published(tmp_path / place, served_model(name)) for place in ("one", "two"))
    assert first == second
    bundles = [tmp_path / place / first for place in ("one", "two")]
    for file in (MODEL, "golden_features.npy", "golden_scores.npy", "manifest.json", "documents/a.json"):
        assert (bundles[0] / file).read_bytes() == (bundles[1] / file).read_bytes(), file


def version(model: ServedModel | None = None, gate: GateSettings | None = None, **changes: Any) -> str:
    """Returns the name of a model beside nothing; changes: of the data that it learnt from."""
    return model_version(model or served_model(), training_data(**changes), gate or GateSettings(), "")


def test_another_model_threshold_or_data_gives_another_version() -> None:
    higher = Thresholds(review=0.3, decline=0.8, rationale="budget")
    shorter = build_onnx(fitted("xgboost", rounds=3), CALIBRATION, 5)
    others = {
        version(data_hash="cd" * 32),
        version(served_model(thresholds=higher)),
        version(served_model(onnx=shorter)),
    }
    assert len(others - {version()}) == 3


def test_a_version_tells_the_end_of_its_data_and_its_algorithm() -> None:
    assert re.fullmatch(r"20240322-xgboost-[0-9a-f]{10}", version())


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_the_golden_scores_are_reproduced_bit_for_bit_from_the_bundle(name: str, tmp_path: Path) -> None:
    bundle = read_bundle(tmp_path / published(tmp_path, served_model(name)))
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1  # as a server has it: with more, trees are summed in another order
    opened = ort.InferenceSession(bundle.model, options, providers=["CPUExecutionProvider"])
    (given,) = opened.run(["probability"], {"features": bundle.golden_features})
    assert np.array_equal(given.view(np.uint32), bundle.golden_scores.view(np.uint32))
    assert len(given) == 256


def test_a_bundle_explains_its_model_when_the_trainer_can(tmp_path: Path) -> None:
    rows = features(100)
    explanation = build_explanation(fitted("xgboost"), CALIBRATION, rows)
    read = read_bundle(tmp_path / published(tmp_path, served_model(explanation=explanation))).explanation
    assert read is not None
    total = read.contributions(rows).sum(axis=1) + read.base
    assert np.abs(total - fitted("xgboost").margin(rows)).max() < 1e-4


def test_the_manifest_says_where_the_model_comes_from(tmp_path: Path) -> None:
    manifest = read_bundle(tmp_path / published(tmp_path)).manifest
    assert manifest.window == WINDOW
    assert manifest.data_hash == "ab" * 32
    assert (manifest.row_count, manifest.fraud_count) == (400, 60)
    assert manifest.feature_names == NAMES
    assert manifest.parameters["learning_rate"] == 0.08
    assert {"xgboost", "onnx", "onnxruntime", "scikit-learn", "ray", "optuna", "polars", "numpy"} <= set(
        manifest.library_versions
    )
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", manifest.git_revision)
    assert {MODEL, "golden_features.npy", "golden_scores.npy", "documents/a.json"} <= set(manifest.files)


def test_publishing_makes_live_and_twice_is_harmless(tmp_path: Path) -> None:
    first, again = published(tmp_path), published(tmp_path)
    assert first == again
    assert Registry(tmp_path).versions() == [first]
    assert Registry(tmp_path).live_version() == first


def test_a_second_model_goes_live_beside_the_first_when_it_is_promoted(tmp_path: Path) -> None:
    first = published(tmp_path)
    second = published(tmp_path, served_model("logistic_regression"))
    assert Registry(tmp_path).versions() == sorted([first, second])
    assert Registry(tmp_path).live_version() == second
    manifest = read_bundle(tmp_path / second).manifest
    assert (manifest.role, manifest.replaces, manifest.verdict) == ("champion", first, "in words")


def test_a_challenger_is_published_and_the_champion_stays_live(tmp_path: Path) -> None:
    first = published(tmp_path)
    second = published(tmp_path, served_model("logistic_regression"), promoted=False)
    assert Registry(tmp_path).versions() == sorted([first, second])
    assert Registry(tmp_path).live_version() == first
    assert read_bundle(tmp_path / second).manifest.role == "challenger"


def test_a_model_judged_by_other_settings_has_a_name_of_its_own() -> None:
    assert version(gate=GateSettings(force=True)) != version()


def test_a_model_judged_against_another_has_a_name_of_its_own(tmp_path: Path) -> None:
    first = published(tmp_path)
    other = published(tmp_path, served_model("logistic_regression"))
    again = published(tmp_path, promoted=False)  # the first one's model, beside the other
    assert len({first, other, again}) == 3
    verdicts = {name: read_bundle(tmp_path / name).manifest for name in (first, again)}
    assert (verdicts[first].role, verdicts[first].replaces) == ("champion", "")
    assert (verdicts[again].role, verdicts[again].replaces) == ("challenger", other)


@pytest.mark.parametrize("damaged", ["manifest.json", MODEL])
def test_a_damaged_live_bundle_is_replaced_by_the_same_model_under_another_name(
    tmp_path: Path, damaged: str
) -> None:
    first = published(tmp_path)
    (tmp_path / first / damaged).write_text("{")
    second = published(tmp_path)
    assert second != first
    assert Registry(tmp_path).live_version() == second
    assert read_bundle(tmp_path / second).manifest.replaces == first


def test_outside_git_there_is_no_revision(tmp_path: Path) -> None:
    assert git_revision(tmp_path) == ""


def test_golden_rows_are_spread_over_all_scores() -> None:
    probability = np.random.default_rng(0).random(10_000).astype(np.float32)
    chosen = probability[golden_rows(probability)]
    assert len(chosen) == 256
    assert chosen[0] == probability.min()
    assert chosen[-1] == probability.max()
    assert np.diff(chosen).max() < 0.01


def test_golden_rows_of_few_are_all_of_them() -> None:
    assert sorted(golden_rows(np.array([0.3, 0.1, 0.3], dtype=np.float32)).tolist()) == [0, 1, 2]


def test_the_feature_document_ranks_features_and_explains_them() -> None:
    rows = strictly(feature_document(NAMES, np.array([0.1, 0.4, 0.0, 0.2, 0.3])))
    assert [row["name"] for row in rows] == [NAMES[1], NAMES[4], NAMES[3], NAMES[0], NAMES[2]]
    by_name = {feature.name: feature for feature in CATALOGUE}
    assert rows[0]["description"] == by_name[NAMES[1]].description
    assert "description" not in rows[1]  # an attribute: only the institution knows what it is


def test_the_quality_profile_is_json_whatever_the_columns_hold() -> None:
    schema = canonical_schema(("band",))
    nothing = {name: pl.Series(name, [None, None], dtype=dtype) for name, dtype in schema.items()}
    text = {name: pl.Series(name, ["", "x"]) for name, dtype in schema.items() if dtype == pl.String}
    frame = pl.DataFrame(nothing | text)
    report = RejectReport(rows_read=3, rows_rejected=1, findings=(), path=None)
    found = strictly(json.dumps(quality_profile(Table(frame, report))).encode())
    assert found["rows"] == 2
    assert found["rejected"]["rows_rejected"] == 1
    assert found["columns"]["transaction_id"]["missing"] == 0.5
    assert found["columns"]["attribute.band"]["missing"] == 1
    assert quality_profile(Table(frame.clear(), report))["rows"] == 0


def test_the_search_document_holds_every_trial() -> None:
    trials = (Trial({"algorithm": "xgboost", "rounds": 40}, 0.5, 40, 1.5, finished=True),)
    (found,) = strictly(trials_as_json(SearchResult(trials)))
    assert found["parameters"] == {"algorithm": "xgboost", "rounds": 40}
    assert found["average_precision"] == 0.5


def test_the_manifest_names_the_zone_of_hours_and_days_and_the_version_tells_zones_apart(
    tmp_path: Path,
) -> None:
    madrid = published(tmp_path, time_zone="Europe/Madrid")
    assert read_bundle(tmp_path / madrid).manifest.time_zone == "Europe/Madrid"
    assert madrid != version()
    assert "tzdata" in library_versions()
