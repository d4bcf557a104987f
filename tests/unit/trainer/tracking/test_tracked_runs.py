"""What a backtest and a tuning leave in MLflow's local store, read back from it."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.unit.trainer.backtest.small import here
from tests.unit.trainer.samples import Heard
from tests.unit.trainer.tracking.test_tracking import client, runs
from trainer.backtest import app
from trainer.backtest.folds import Fold
from trainer.leakage import LeakageError
from trainer.models.recipe import Recipe
from trainer.models.recipes import checked
from trainer.origin import git_revision
from trainer.search.result import Curve, SearchResult, Trial
from trainer.settings.config import TrainerSettings
from trainer.synthetic import SyntheticConfig, generate
from trainer.tracking import recorder
from trainer.tuning.run import Tuning

RECIPE = {"algorithm": "xgboost", "rounds": 12, "max_depth": 3, "learning_rate": 0.3}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> TrainerSettings:
    """Settings of a tracked run on forty days of transactions."""
    path = tmp_path_factory.mktemp("tracked")
    config = SyntheticConfig(transactions=4_000, accounts=200, merchants=400, days=40, fraud_rate=0.04)
    generate(config).drop("fraud_cause").write_parquet(path / "data.parquet")
    Recipe(checked(RECIPE)).write(path / "recipe.toml")
    fields = {"folds": 2, "resamples": 5, "k": 5, "calibrate_days": 6, "baselines": ["amount"]}
    return TrainerSettings.model_validate(
        {
            "data": {"paths": [str(path / "data.parquet")]},
            "split": {"label_delay_days": 3, "warm_up_days": 1},
            "backtest": fields,
            "tracking": {"enabled": True},
            "work": path / "work",
        }
    )


def history(work: Path, run: Any, name: str) -> list[float]:
    """Reads a metric back; asserts that its steps are 0, 1, 2, ..."""
    told = sorted(client(work).get_metric_history(run.info.run_id, name), key=lambda entry: entry.step)
    assert [entry.step for entry in told] == list(range(len(told)))
    return [entry.value for entry in told]


def artefact(work: Path, run: Any, name: str, into: Path) -> bytes:
    return Path(client(work).download_artifacts(run.info.run_id, name, str(into))).read_bytes()


def test_a_backtest_is_recorded_with_the_figures_of_each_fold_as_steps(
    settings: TrainerSettings, tmp_path: Path
) -> None:
    work, heard = settings.work, Heard()
    found = app.run(settings, work.parent / "recipe.toml", heard, fitting=here)
    assert not [note for note in heard.notes if "MLflow" in note]
    (run,) = runs(work, "backtest")
    assert run.info.status == "FINISHED"
    assert run.data.params == {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in found.recipe.parameters.items()
    }
    for name, figure in found.summary.figures["recipe"].items():
        logged = name.replace("@", "_")
        folds = [fold.value for fold in figure.folds]
        np.testing.assert_array_equal(history(work, run, f"fold_{logged}"), folds)
        np.testing.assert_array_equal(run.data.metrics[logged], figure.mean.value)
    assert len(history(work, run, "fold_average_precision")) == 2
    assert run.data.tags["data_hash"] == found.document["data"]["sha256"]
    assert run.data.tags["git_revision"] == git_revision()
    assert json.loads(artefact(work, run, "figures.json", tmp_path)) == found.document
    assert artefact(work, run, "recipe.toml", tmp_path) == (work.parent / "recipe.toml").read_bytes()


def test_a_backtest_of_data_that_leak_is_marked_as_failed(settings: TrainerSettings, tmp_path: Path) -> None:
    label = pl.col("is_fraud").fill_null(value=False).cast(pl.Float64)
    path = tmp_path / "leaking.parquet"
    pl.read_parquet(settings.data.paths[0]).with_columns(label.alias("attribute.flag")).write_parquet(path)
    data = settings.data.model_copy(update={"paths": (str(path),)})
    leaking = settings.model_copy(update={"data": data, "work": tmp_path})
    with pytest.raises(LeakageError, match=r"attribute\.flag"):
        app.run(leaking, None, Heard(), fitting=here)
    (run,) = runs(tmp_path, "backtest")
    assert run.info.status == "FAILED"
    assert run.data.metrics == {}


def test_a_tuning_is_recorded_with_its_folds_and_trials_as_steps(
    settings: TrainerSettings, tmp_path: Path
) -> None:
    curve = Curve((6, 12), (0.5, 0.6), ((0.5, 0.5), (0.6, 0.6)))
    best = Trial(dict(RECIPE), 0.6, 12, 1.0, finished=True, folds=(0.55, 0.65), curve=curve)
    other = Trial(RECIPE | {"max_depth": 5}, 0.4, 12, 1.0, finished=True, folds=(0.3, 0.5), curve=curve)
    result = SearchResult((best, other))
    choice = result.choice(0.0)
    rows, day = np.arange(10), date(2024, 1, 1)
    fold = Fold(1, day, day, rows, rows, np.zeros(10), 0, 0, 1, 2, 3)
    told = Tuning(
        Recipe(checked(choice.parameters)), choice, result, (fold, fold), {"sha256": "ab12"}, settings
    )
    heard = Heard()
    with recorder(settings.tracking, "tune", work=tmp_path, note=heard.note) as record:
        told.tell(record)
    assert heard.notes == []
    (run,) = runs(tmp_path, "tune")
    assert run.data.params["rounds"] == "12"
    assert run.data.metrics["average_precision"] == 0.6
    assert history(tmp_path, run, "fold_average_precision") == [0.55, 0.65]
    assert history(tmp_path, run, "trial_average_precision") == [0.6, 0.4]
    assert run.data.tags["data_hash"] == "ab12"
    assert run.data.tags["git_revision"] == git_revision()
    into = tmp_path / "read"
    into.mkdir()
    told.write(tmp_path / "recipe.toml", tmp_path / "search.json")
    for name in ("recipe.toml", "search.json"):
        assert artefact(tmp_path, run, name, into) == (tmp_path / name).read_bytes()
