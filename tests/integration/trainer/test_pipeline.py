"""One whole run, from a file to a live bundle, on a Ray of its own."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from kuntur.bundle.bundle import Bundle, Registry, read_bundle, read_judged
from kuntur.features import FeatureEngine, FeatureSelection
from kuntur.hash_key import DEFAULT_HASH_KEY, secret_from_hex
from kuntur.tables import Mapping, read, to_batch, to_outcomes
from tests.integration.trainer.searching import OBJECT_STORE_BYTES, Heard
from trainer.app import run
from trainer.card import ValidationDocument
from trainer.confined.model import RunLimits, confined_scores
from trainer.dataset.history import Replayed, replay
from trainer.evaluation.evaluate import figures
from trainer.pipeline import TrainingReport
from trainer.release.replay import score
from trainer.settings.config import TrainerSettings
from trainer.synthetic import SyntheticConfig, write
from trainer.tracking import local_store

SECRET = secret_from_hex(DEFAULT_HASH_KEY)
HOUR_US, LABEL_DELAY_DAYS = 3_600_000_000, 5
JUDGING_DAYS = {"select_days": 4, "calibrate_days": 5, "test_days": 3}
REVIEWS, DECLINES = 12, 4  # a day, of about 330 transactions


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty days of transactions, 2 % of them fraud."""
    path = tmp_path_factory.mktemp("data") / "transactions.parquet"
    size = {"transactions": 20_000, "accounts": 600, "merchants": 400, "days": 60, "fraud_rate": 0.02}
    write(SyntheticConfig.model_validate(size), path)
    return path


@pytest.fixture(scope="module")
def trained(data: Path) -> tuple[TrainingReport, Path, Heard]:
    """A run: its report, its registry and what it said."""
    registry, heard = data.parent / "registry", Heard()
    settings = TrainerSettings.model_validate(
        {
            "data": {"paths": [str(data)]},
            "split": {"label_delay_days": LABEL_DELAY_DAYS, **JUDGING_DAYS},
            "thresholds": {"review_alerts_per_day": REVIEWS, "decline_alerts_per_day": DECLINES},
            "search": {"trials": 2, "algorithms": ["xgboost"], "max_rounds": 40},
            "ray": {"object_store_bytes": OBJECT_STORE_BYTES},
            "card": {"owner": "Riesgos", "folds": 1},
            "tracking": {"enabled": True},
            "registry": str(registry),
            "work": str(data.parent / "work"),
        }
    )
    return run(settings, heard), registry, heard


@pytest.fixture(scope="module")
def bundle(trained: tuple[TrainingReport, Path, Heard]) -> Bundle:
    """The bundle that was published."""
    report, registry, _ = trained
    return read_bundle(registry / report.manifest.model_version)


def served(bundle: Bundle, features: np.ndarray) -> np.ndarray:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(bundle.model, options, providers=["CPUExecutionProvider"])
    scores: np.ndarray = session.run(["probability"], {"features": features})[0]
    return scores


def inputs(bundle: Bundle, replayed: Replayed) -> np.ndarray:
    return FeatureSelection(bundle.manifest.feature_names).take(replayed.features, replayed.attributes)


def test_the_model_is_published_and_live(trained: tuple[TrainingReport, Path, Heard]) -> None:
    report, registry, _ = trained
    assert Registry(registry).live_version() == report.manifest.model_version
    assert Registry(registry).versions() == [report.manifest.model_version]


def test_the_model_finds_most_of_the_fraud_that_it_did_not_learn_from(
    trained: tuple[TrainingReport, Path, Heard],
) -> None:
    metrics = trained[0].manifest.metrics
    assert metrics["average_precision"] > 10 * metrics["frauds"] / metrics["rows"]
    assert metrics["auc_roc"] > 0.8
    assert metrics["expected_calibration_error"] < 0.02


def test_the_figures_are_of_the_test_window_and_the_thresholds_of_the_one_before(
    data: Path, trained: tuple[TrainingReport, Path, Heard], bundle: Bundle
) -> None:
    table = read([str(data)], Mapping.load("kuntur"))
    replayed = replay(table, SECRET)
    manifest = bundle.manifest
    judged = confined_scores(read_judged(bundle), inputs(bundle, replayed), RunLimits())
    assert not np.array_equal(judged, score(bundle.path, replayed))
    test_end = datetime.fromisoformat(manifest.window.validation_end_time)
    test_start = test_end - timedelta(days=JUDGING_DAYS["test_days"])
    calibrate_start = test_start - timedelta(days=JUDGING_DAYS["calibrate_days"])
    time, until = table.frame["event_time"], table.frame["event_time"].max()
    known = (table.frame["is_fraud"] & (table.frame["reported_time"] <= until)).to_numpy()
    test = ((time >= test_start) & (time < test_end)).to_numpy()
    calibrate = ((time >= calibrate_start) & (time < test_start)).to_numpy()
    days = float(JUDGING_DAYS["test_days"])
    thresholds = manifest.judged_thresholds
    found = figures(known[test], judged[test], replayed.amount[test], days, thresholds)
    assert manifest.metrics == trained[0].manifest.metrics
    cost = {name for name in manifest.metrics if name.startswith("microseconds_a_row_")}
    assert len(cost) == 2
    assert {name: value for name, value in manifest.metrics.items() if name not in cost} == found
    for threshold, budget in ((thresholds.review, REVIEWS), (thresholds.decline, DECLINES)):
        alerts = int((judged[calibrate] >= np.float32(threshold)).sum())
        # Rows of one score stay below together, so that a few of the budget may be left.
        assert 0 <= budget * JUDGING_DAYS["calibrate_days"] - alerts <= 3


def test_what_is_served_learnt_from_all_that_is_known_and_says_so(
    data: Path, trained: tuple[TrainingReport, Path, Heard], bundle: Bundle
) -> None:
    again, window = bundle.manifest.refit, bundle.manifest.window
    assert again is not None
    frame = read([str(data)], Mapping.load("kuntur")).frame
    time, until = frame["event_time"], frame["event_time"].max()
    assert again.train_end_time == window.validation_end_time
    start, end = (datetime.fromisoformat(text) for text in (again.train_start_time, again.train_end_time))
    learnt = frame.filter((time >= start) & (time < end))
    assert (
        again.row_count
        == learnt.height
        > 1.4 * frame.filter((time >= start) & (time < datetime.fromisoformat(window.train_end_time))).height
    )
    assert again.fraud_count == (learnt["is_fraud"] & (learnt["reported_time"] <= until)).sum()
    assert end - datetime.fromisoformat(again.held_out_start_time) == timedelta(days=again.held_out_days)
    assert again.judged_parity["rows"] > 0 < bundle.manifest.parity["rows"]
    page = (bundle.path / "documents" / "model_card.html").read_text()
    assert "It has no figures of its own" in page
    document = json.loads((bundle.path / "documents" / "validation.json").read_text())
    assert document["fits"]["judged"]["thresholds"]["review"] == again.judged_thresholds.review
    assert document["evaluation"]["thresholds"]["review"] == again.judged_thresholds.review
    assert document["fits"]["served"]["thresholds"]["review"] == bundle.manifest.thresholds.review
    assert document["fits"]["served"]["calibration"] != document["fits"]["judged"]["calibration"]
    assert document["gates"]["calibration"] == document["fits"]["judged"]["calibration"]


def test_the_windows_keep_the_label_delay(bundle: Bundle) -> None:
    window = bundle.manifest.window
    times = [
        np.datetime64(text.removesuffix("+00:00"), "us")
        for text in (
            window.train_start_time,
            window.train_end_time,
            window.validation_start_time,
            window.validation_end_time,
        )
    ]
    assert times == sorted(times)
    assert times[2] - times[1] == np.timedelta64(LABEL_DELAY_DAYS, "D")
    assert times[3] - times[2] == np.timedelta64(sum(JUDGING_DAYS.values()), "D")
    assert window.label_delay_days == LABEL_DELAY_DAYS


def test_transactions_through_the_engine_and_the_bundle_score_as_its_golden_rows(
    data: Path, bundle: Bundle
) -> None:
    table = read([str(data)], Mapping.load("kuntur"))
    batch = to_batch(table.frame, SECRET)
    outcomes, _ = to_outcomes(table.frame, batch.keys)
    engine, reported, parts = FeatureEngine(), 0, []
    hours = batch.ints[:, 0] // HOUR_US
    for start in (starts := np.flatnonzero(np.diff(hours, prepend=-1))):
        due = int(np.searchsorted(outcomes.reported_time_us // HOUR_US, hours[start]))
        engine.report(outcomes.rows(slice(reported, due)))
        reported = max(reported, due)
        after = starts[starts > start]
        parts.append(engine.process(batch.rows(slice(start, after[0] if len(after) else len(batch)))))
    features = FeatureSelection(bundle.manifest.feature_names).take(np.concatenate(parts), {})
    rows = {row.tobytes(): place for place, row in enumerate(features)}
    places = [rows[golden.tobytes()] for golden in bundle.golden_features]
    scores = served(bundle, features)[places]
    assert np.array_equal(scores.view(np.uint32), bundle.golden_scores.view(np.uint32))


def test_the_bundle_carries_the_documents_as_json(bundle: Bundle) -> None:
    folder = bundle.path / "documents"
    documents = {path.name: json.loads(path.read_text()) for path in folder.glob("*.json")}
    assert set(documents) == {
        "checks.json", "drift.json", "features.json", "leakage.json", "quality.json", "search.json",
        "settings.json", "validation.json", "verdict.json",
    }  # fmt: skip
    assert sorted(trial["number"] for trial in documents["search.json"]) == [1, 2]
    assert documents["validation.json"]["search"]["in_order"] is True
    assert [row["name"] for row in documents["features.json"]] != []
    assert documents["quality.json"]["rows"] == 20_000
    assert "hash_key" not in documents["settings.json"]
    assert documents["checks.json"]["failures"] == 0
    assert documents["leakage.json"]["causality"]["differing"] == {}
    assert {row["name"] for row in documents["drift.json"]} == {*bundle.manifest.feature_names, "(score)"}


def test_the_model_card_says_who_owns_it_and_why_it_is_live(bundle: Bundle) -> None:
    page = (bundle.path / "documents" / "model_card.html").read_text()
    for said in ("Riesgos", bundle.manifest.model_version, "the registry has no live model"):
        assert said in page
    assert (bundle.manifest.role, bundle.manifest.replaces) == ("champion", "")
    assert bundle.manifest.verdict.startswith(f"{bundle.manifest.model_version} goes live")
    ValidationDocument.model_validate_json((bundle.path / "documents" / "validation.json").read_bytes())


def test_the_card_answers_what_a_validator_asks_with_the_figures_of_the_bundle(bundle: Bundle) -> None:
    content = (bundle.path / "documents" / "validation.json").read_bytes()
    found = ValidationDocument.model_validate_json(content).validation
    assert found is not None
    metrics = bundle.manifest.metrics
    (fold,) = found.folds.folds
    test_end = datetime.fromisoformat(bundle.manifest.window.validation_end_time)
    assert datetime.fromisoformat(fold.test_end) == test_end - timedelta(days=JUDGING_DAYS["test_days"])
    model, *simple = found.benchmark.contenders
    assert model.figures["average_precision"].value == metrics["average_precision"]
    assert {each.name for each in simple} == {"amount", "departure from habit", "logistic regression"}
    missed = found.misses.whole
    assert (missed.frauds, 1 - missed.missed / missed.frauds) == (
        metrics["frauds"], pytest.approx(metrics["recall"]),
    )  # fmt: skip
    for kind in {part.segment for part in found.misses.parts}:
        assert sum(part.frauds for part in found.misses.parts if part.segment == kind) == metrics["frauds"]
    for bins in (found.calibration.by_rows, found.calibration.by_expected_frauds):
        assert sum(each.rows for each in bins) == metrics["rows"]
    assert found.sensitivity.base.recall == pytest.approx(metrics["recall"])
    assert found.sensitivity.maturity[-1].frauds == metrics["frauds"]
    assert found.fairness.found.by == ("account type", "account age", "institution")
    assert [each.version for each in found.importance_history.versions] == [""]
    assert found.monitoring.who == "Riesgos"
    assert found.monitoring.retire_by == (test_end + timedelta(days=365)).date().isoformat()


def test_the_bundle_explains_its_scores(bundle: Bundle) -> None:
    assert bundle.explanation is not None
    assert bundle.explanation.contributions(bundle.golden_features).shape == bundle.golden_features.shape


def test_the_manifest_says_what_each_phase_took_and_the_report_and_record_also_of_publishing(
    data: Path, trained: tuple[TrainingReport, Path, Heard], bundle: Bundle
) -> None:
    from mlflow import MlflowClient

    phases, reported = bundle.manifest.phases, trained[0].phases
    assert [phase.name for phase in phases] == [
        "reading", "checks", "features", "leakage", "search", "fit", "export", "refit", "judging",
        "validation",
        "documents",
    ]  # fmt: skip
    assert [phase.name for phase in reported] == [*(phase.name for phase in phases), "publishing"]
    assert {phase.rows for phase in phases[:3]} == {20_000}
    assert all(phase.peak_bytes > 0 for phase in phases)
    searched = phases[4]
    assert searched.worker_peak_bytes > 0
    client = MlflowClient(local_store(data.parent / "work"))
    (run_,) = client.search_runs([e.experiment_id for e in client.search_experiments()])
    assert run_.data.metrics["phases.search.seconds"] == searched.seconds
    assert "phases.publishing.peak_bytes" in run_.data.metrics


def test_the_run_is_recorded_and_names_its_bundle(
    data: Path, trained: tuple[TrainingReport, Path, Heard]
) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(local_store(data.parent / "work"))
    (run_,) = client.search_runs([e.experiment_id for e in client.search_experiments()])
    report, registry, heard = trained
    assert not [note for note in heard.notes if "Not logged" in note]
    assert run_.data.tags["model_version"] == report.manifest.model_version
    assert run_.data.tags["bundle"] == str((registry / report.manifest.model_version).resolve())
    assert run_.data.metrics["average_precision"] == report.manifest.metrics["average_precision"]
    assert run_.data.params["algorithm"] == "xgboost"


def test_what_was_fitted_is_a_trial_at_a_number_of_rounds_at_which_it_was_judged(bundle: Bundle) -> None:
    trials = json.loads((bundle.path / "documents" / "search.json").read_text())
    fitted = bundle.manifest.parameters
    (chosen,) = [trial for trial in trials if trial["parameters"] | {"rounds": 0} == fitted | {"rounds": 0}]
    assert fitted["rounds"] in chosen["curve"]["rounds"]


def test_the_run_says_what_it_does(
    data: Path, trained: tuple[TrainingReport, Path, Heard], bundle: Bundle
) -> None:
    _, _, heard = trained
    frame = read([str(data)], Mapping.load("kuntur")).frame
    known = (frame["is_fraud"] & (frame["reported_time"] <= frame["event_time"].max())).sum()
    assert heard.notes[0].startswith(
        f"Read 20,000 transactions, {known} of them known to be fraud by 2024-03"
    )
    assert bundle.manifest.fraud_count == known < 400
    assert [note.split()[0] for note in heard.notes[1:] if not note.startswith("Warning")][:2] == [
        "Learning", "Looking",
    ]  # fmt: skip
    assert (2, 2) in [step[:2] for step in heard.steps]
