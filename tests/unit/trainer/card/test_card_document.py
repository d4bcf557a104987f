from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from kuntur.bundle.bundle import Thresholds
from kuntur.features import FEATURE_NAMES
from trainer.card import TestWindow, ValidationDocument, documents, validation_document
from trainer.card.curves import operating_points, reliability
from trainer.evaluation.drift import drifts
from trainer.evaluation.evaluate import average_precision, figures
from trainer.evaluation.segments import Segment, segment_figures

from .card_evidence import DAYS, THRESHOLDS, bare, champion, full, window

STRUCTURE = {
    "format_version": [],
    "model": [
        "version", "algorithm", "parameters", "features", "purpose", "limits", "owner", "approver", "contact",
        "rollback_target", "latency_us_per_row", "git_revision", "library_versions", "settings", "reasons",
        "signing_key",
    ],
    "verdict": ["promoted", "forced", "champion", "text", "findings", "warnings"],
    "changes": [
        "replaced", "features_added", "features_removed", "features_redefined", "parameters", "thresholds",
        "data", "metrics", "same_window",
    ],
    "data": ["sources", "data_hash", "rows", "frauds", "window", "time_zone", "quality", "checks"],
    "fits": ["same", "judged", "served", "labels_time", "rows", "frauds", "held_out_start_time", "text"],
    "features": [],
    "personal_data": ["features", "columns"],
    "search": ["trials", "in_order", "choice"],
    "evaluation": ["metrics", "intervals", "interval_note", "thresholds", "curves", "segments"],
    "known_accounts": ["rows", "frauds", "with_them", "without_them"],
    "validation": [
        "interval_note", "folds", "benchmark", "misses", "calibration", "sensitivity", "fairness",
        "importance_history", "monitoring",
    ],
    "drift": [],
    "gates": ["calibration", "parity", "leakage", "traces"],
}  # fmt: skip


def strictly(content: bytes) -> Any:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    return json.loads(content, parse_constant=refuse)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return validation_document(full())


def test_the_document_has_its_form_in_a_stable_order(document: dict[str, Any]) -> None:
    for evidence in (full(), bare()):
        found = validation_document(evidence)
        assert list(found) == list(STRUCTURE)
        assert found["format_version"] == 1
        for part, names in STRUCTURE.items():
            if isinstance(found[part], dict):
                assert list(found[part]) == names
        assert ValidationDocument.model_validate_json(json.dumps(found)).model_dump(mode="json") == found
    with pytest.raises(ValidationError, match="format_version"):
        ValidationDocument.model_validate(document | {"format_version": 2})


def test_every_field_of_the_json_schema_is_explained() -> None:
    schema = ValidationDocument.model_json_schema()
    parts = [schema, *schema["$defs"].values()]
    assert [
        field for part in parts for field in part["properties"].values() if "description" not in field
    ] == []


def test_the_same_evidence_gives_the_same_bytes() -> None:
    assert documents(full()) == documents(full())


def test_what_was_not_made_is_null_and_not_a_failure() -> None:
    found = strictly(documents(bare())["validation.json"])
    assert found["search"] is found["drift"] is found["verdict"] is found["changes"] is None
    assert found["evaluation"]["curves"] is found["gates"]["parity"] is found["data"]["quality"] is None
    assert found["model"]["rollback_target"] is None


def test_no_secret_comes_into_the_documents() -> None:
    secretive = full(traces=("read with password=hunter2&x=1",), sources=("mysql://root:hunter2@h/x",))
    for content in documents(secretive).values():
        assert b"hunter2" not in content
        assert b"00ff" not in content
    found = validation_document(full())
    assert found["data"]["sources"] == ["postgresql://db.example:5432/bank, table transactions"]
    assert found["model"]["settings"]["data"] == {"paths": ["a.parquet"]}


def test_what_is_not_a_number_is_null() -> None:
    found = validation_document(full(metrics={"auc_roc": np.float64("nan")}, parity={"x": np.inf}))
    assert found["evaluation"]["metrics"] == {"auc_roc": None}
    assert found["gates"]["parity"] == {"x": None}


def test_features_are_ranked_by_importance_and_explained(document: dict[str, Any]) -> None:
    features = document["features"]
    assert [entry["rank"] for entry in features] == list(range(1, 13))
    assert features[0]["importance"] == 1
    assert features[-1]["personal_data"] == "unknown"  # an attribute
    assert all(entry["description"] and entry["why"] for entry in features[:-1])
    assert sum(document["personal_data"]["features"].values()) == 12


def test_trials_stand_in_the_order_of_starting_and_the_best_is_chosen(document: dict[str, Any]) -> None:
    trials = document["search"]["trials"]
    assert [trial["parameters"].get("max_depth") for trial in trials] == [0, None, *range(2, 9)]
    assert trials[1]["average_precision"] is None
    (chosen,) = [trial for trial in trials if trial["chosen"]]
    assert chosen["average_precision"] == max(trial["average_precision"] or 0 for trial in trials)
    named = [dict(trial) for trial in full().trials or ()]
    named[3]["chosen"] = True
    (chosen,) = [
        trial for trial in validation_document(full(trials=named))["search"]["trials"] if trial["chosen"]
    ]
    assert chosen["parameters"] == named[3]["parameters"]


def test_trials_without_numbers_are_not_said_to_be_in_order(document: dict[str, Any]) -> None:
    assert document["search"]["in_order"] is True
    bare_rows = [{name: v for name, v in trial.items() if name != "number"} for trial in full().trials or ()]
    found = validation_document(full(trials=bare_rows))["search"]
    assert found["in_order"] is False
    assert [trial["parameters"] for trial in found["trials"]] == [row["parameters"] for row in bare_rows]


def test_drift_stands_worst_first(document: dict[str, Any]) -> None:
    values = [entry["psi"] for entry in document["drift"]]
    assert values == sorted(values, reverse=True)
    assert document["drift"][0]["bins"][0] == {"label": "0 to 1", "training": 0.1, "test": 0.1}


def test_drift_and_segments_of_the_trainer_are_taken_as_they_are() -> None:
    chance = np.random.default_rng(0)
    before, after = (chance.normal(size=(500, 2)).astype(np.float32) + shift for shift in (0, [0, 3]))
    found = [entry.document() for entry in drifts(before, after.astype(np.float32), ("still", "moved"))]
    channel = {"channel": Segment(np.zeros(500, dtype=np.int32), ("ATM",))}
    scores = chance.random(500).astype(np.float32)
    segments = segment_figures(scores > 0.5, scores, 0.4, channel)
    document = validation_document(full(drift=found, segments=[row.document() for row in segments]))
    assert [entry["name"] for entry in document["drift"]] == ["moved", "still"]
    bins = document["drift"][0]["bins"]
    assert bins[0]["label"].startswith("up to ")
    assert bins[-1] == {"label": "unset", "training": 0, "test": 0}
    assert sum(bin_["test"] for bin_ in bins) == pytest.approx(1)
    (row,) = document["evaluation"]["segments"]
    assert (row["dimension"], row["value"], row["rows"]) == ("channel", "ATM", 500)


def test_changes_name_what_differs_from_the_model_that_was_live() -> None:
    redefined = champion().features[0].model_copy(update={"fingerprint": "f" * 16})
    before = champion(features=(redefined, *champion().features[1:]))
    changes = validation_document(bare(champion=before))["changes"]
    assert changes["features_added"] == [FEATURE_NAMES[0]]
    assert changes["features_removed"] == ["attribute.old"]
    assert changes["features_redefined"] == [FEATURE_NAMES[1]]
    assert changes["parameters"] == [{"name": "max_depth", "before": 4, "after": 5}]
    assert {change["name"] for change in changes["data"]} == {"hash", "transactions", "frauds"}
    assert changes["same_window"] is False
    same = validation_document(bare(champion=before, champion_metrics={"average_precision": 0.3}))["changes"]
    assert same["same_window"] is True
    (figure,) = [change for change in same["metrics"] if change["name"] == "average_precision"]
    assert figure["before"] == 0.3


def test_the_points_at_the_thresholds_are_the_figures_of_the_manifest() -> None:
    test = window()
    wanted = figures(test.label, test.probability, test.amount, DAYS, THRESHOLDS)
    points = operating_points(test, (THRESHOLDS.review, THRESHOLDS.decline))
    review = [p for p in points if p["threshold"] >= np.float32(THRESHOLDS.review)][-1]
    decline = [p for p in points if p["threshold"] >= np.float32(THRESHOLDS.decline)][-1]
    for name in ("alerts_per_day", "precision", "recall", "recall_by_value"):
        assert review[name] == pytest.approx(wanted[name], rel=1e-5)
    assert decline["alerts_per_day"] == pytest.approx(wanted["declines_per_day"], rel=1e-5)


def test_the_thinned_curve_keeps_its_ends_and_its_area() -> None:
    test = window(60_000)
    points = operating_points(test)
    assert len(points) <= 200
    assert points[-1]["recall"] == points[-1]["recall_by_value"] == 1
    recall = np.array([0.0, *(point["recall"] for point in points)])
    area = float(np.sum(np.diff(recall) * [point["precision"] for point in points]))
    assert area == pytest.approx(average_precision(test.label, test.probability), abs=0.02)


def test_equal_scores_are_one_point_and_no_fraud_gives_none() -> None:
    label = np.array([True, False, True, False])
    same = np.full(4, 0.5, dtype=np.float32)
    tied = TestWindow(label=label, probability=same, amount=np.ones(4), days=2.0, currency="PEN")
    assert operating_points(tied) == [
        {"threshold": 0.5, "alerts_per_day": 2, "precision": 0.5, "recall": 1, "recall_by_value": 1}
    ]
    innocent = TestWindow(label=~label & False, probability=same, amount=np.ones(4), days=2.0, currency="")
    assert operating_points(innocent) == []
    assert b"Curves: not made" in documents(bare(test=innocent))["model_card.html"]


def test_reliability_counts_every_row_once_and_covers_calibrated_probabilities() -> None:
    test = window(60_000)
    bins = reliability(test)
    assert sum(point["rows"] for point in bins) == 60_000
    assert sum(point["frauds"] for point in bins) == test.label.sum()
    covered = [point["observed_low"] <= point["predicted"] <= point["observed_high"] for point in bins]
    assert sum(covered) >= len(bins) - 2
    edge = np.array([0.0, 1.0], dtype=np.float32)
    ends = TestWindow(label=edge > 0, probability=edge, amount=edge.astype(float), days=1, currency="")
    assert [point["high"] for point in reliability(ends)] == [0.001, 1]


def test_a_threshold_that_nothing_reaches_has_no_point() -> None:
    high = Thresholds(review=1, decline=1, rationale="none")
    assert documents(full(thresholds=high))["model_card.html"]
