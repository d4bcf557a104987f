from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tests.unit.trainer.samples import Heard
from trainer.settings.recording import TrackingSettings
from trainer.tracking import Recorder, TrackingError, local_store, recorder

ON = TrackingSettings(enabled=True)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tracking")


def client(work: Path) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=local_store(work), registry_uri=local_store(work))


def runs(work: Path, name: str) -> list[Any]:
    store = client(work)
    experiment = store.get_experiment_by_name("kuntur")
    return list(store.search_runs([experiment.experiment_id], f"attributes.run_name = '{name}'"))


@contextmanager
def tracked(work: Path, name: str, settings: TrackingSettings = ON) -> Iterator[tuple[Recorder, Heard]]:
    heard = Heard()
    with recorder(settings, name, work=work, note=heard.note) as run:
        yield run, heard
    assert heard.notes == []


def test_what_is_recorded_is_read_back_from_the_local_store(work: Path, tmp_path: Path) -> None:
    with tracked(work, "whole") as (run, _):
        run.parameters({"search": {"trials": 40, "algorithms": ["xgboost"]}, "seed": 7, "until": None})
        run.metrics({"auc_roc": 0.9, "card_precision@100": 0.3, "not_measured": None, "undefined": math.nan})
        for fold, precision in enumerate((0.5, 0.6)):
            run.metrics({"fold.average_precision": precision}, step=fold)
        run.series({"trial.average_precision": [0.1 + step / 1000 for step in range(250)]})
        run.tags({"data_hash": "ab12", "verdict": "promoted"})
        run.artefact("manifest.json", b"{}")
        run.artefact("card/model_card.html", b"<html>")
    (found,) = runs(work, "whole")
    assert found.info.status == "FINISHED"
    assert found.data.params == {
        "search.trials": "40",
        "search.algorithms": '["xgboost"]',
        "seed": "7",
        "until": "null",
    }
    assert found.data.metrics["auc_roc"] == 0.9
    assert found.data.metrics["card_precision_100"] == 0.3
    assert math.isnan(found.data.metrics["undefined"])
    assert "not_measured" not in found.data.metrics
    assert found.data.tags["verdict"] == "promoted"
    store = client(work)
    folds = store.get_metric_history(found.info.run_id, "fold.average_precision")
    assert [(entry.step, entry.value) for entry in folds] == [(0, 0.5), (1, 0.6)]
    assert len(store.get_metric_history(found.info.run_id, "trial.average_precision")) == 250
    assert [entry.path for entry in store.list_artifacts(found.info.run_id)] == ["card", "manifest.json"]
    card = store.download_artifacts(found.info.run_id, "card/model_card.html", str(tmp_path))
    assert Path(card).read_bytes() == b"<html>"


def test_a_published_bundle_is_a_version_of_the_registered_model(work: Path) -> None:
    for version in ("v1", "v2"):
        with tracked(work, f"run of {version}") as (run, _):
            run.model_version(version, work / "registry" / version)
    store = client(work)
    found = {entry.version: entry for entry in store.search_model_versions("name = 'kuntur'")}
    assert [found[number].tags["model_version"] for number in (1, 2)] == ["v1", "v2"]
    assert found[2].source == str(work / "registry" / "v2")
    (last,) = runs(work, "run of v2")
    assert found[2].run_id == last.info.run_id
    assert last.data.tags["bundle"] == str(work / "registry" / "v2")


@pytest.mark.parametrize(("error", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_a_run_that_does_not_end_well_is_marked_and_its_error_stays(
    work: Path, error: type[BaseException], status: str
) -> None:
    with pytest.raises(error), tracked(work, status):
        raise error
    (found,) = runs(work, status)
    assert found.info.status == status


def test_a_server_that_is_down_costs_the_record_and_not_the_run(tmp_path: Path) -> None:
    settings = TrackingSettings(uri=SecretStr("http://ana:hunter2@127.0.0.1:9"))
    heard = Heard()
    with recorder(settings, "run", work=tmp_path, note=heard.note) as run:
        run.metrics({"auc_roc": 0.9})
        run.metrics({"auc_roc": 0.8}, step=1)
        run.artefact("manifest.json", b"{}")
        run.model_version("v1", tmp_path)
    fails, missing = heard.notes
    assert fails.startswith("MLflow fails, the run goes on without it: API request to")
    assert missing == "Not logged to MLflow: the run, metrics, manifest.json, tags"
    assert "hunter2" not in fails


def test_a_store_that_fails_midway_says_what_is_missing(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    heard = Heard()
    monkeypatch.setattr(MlflowClient, "log_artifact", full)
    with recorder(ON, "midway", work=work, note=heard.note) as run:
        run.metrics({"auc_roc": 0.9})
        run.artefact("model_card.html", b"")
    assert heard.notes == [
        "MLflow fails, the run goes on without it: no space left on device",
        "Not logged to MLflow: model_card.html",
    ]
    (found,) = runs(work, "midway")
    assert found.data.metrics == {"auc_roc": 0.9}
    assert found.info.status == "FINISHED"


def test_a_registry_that_takes_no_path_leaves_the_tags(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient

    def refuses(*_: object, **__: object) -> None:
        raise ValueError("Invalid model version source")

    heard = Heard()
    monkeypatch.setattr(MlflowClient, "create_model_version", refuses)
    with recorder(ON, "refused", work=work, note=heard.note) as run:
        run.model_version("v3", work / "v3")
        run.metrics({"auc_roc": 0.7})
    (said,) = heard.notes
    assert "does not take version v3, so only tags name it: Invalid model version source" in said
    (found,) = runs(work, "refused")
    assert found.data.tags["model_version"] == "v3"
    assert found.data.metrics == {"auc_roc": 0.7}


def test_tracking_without_mlflow_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(TrackingError, match=r"pip install '\.\[tracking\]'"), tracked(tmp_path, "run"):
        raise AssertionError


def test_without_configuration_nothing_is_written_and_mlflow_is_not_loaded(tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
import trainer.cli.app, trainer.sources.source
from trainer.settings.config import load
from trainer.tracking import recorder
with recorder(load(None, {{}}).tracking, "run", work=Path({str(tmp_path)!r}), note=print) as run:
    run.parameters({{"a": 1}}); run.metrics({{"b": 1.0}}); run.series({{"c": [1.0]}}); run.tags({{"d": "e"}})
    run.artefact("f", b""); run.model_version("v", Path())
found = {{"mlflow", "sqlalchemy", "adbc_driver_postgresql"}} & set(sys.modules)
assert not found, found
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []
