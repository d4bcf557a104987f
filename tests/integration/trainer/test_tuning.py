"""One tuning, from a file to a recipe, on a Ray of its own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tests.integration.trainer.searching import OBJECT_STORE_BYTES, Heard
from tests.unit.trainer.tracking.test_tracking import client, runs
from trainer.models.recipes import read_recipe
from trainer.settings.config import TrainerSettings
from trainer.synthetic import SyntheticConfig, write
from trainer.tuning.run import tune


def test_a_tuning_writes_a_recipe_with_its_figures_and_everything_that_was_tried(tmp_path: Path) -> None:
    size = {"transactions": 8_000, "accounts": 300, "merchants": 400, "days": 60, "fraud_rate": 0.03}
    write(SyntheticConfig.model_validate(size), tmp_path / "transactions.parquet")
    settings = TrainerSettings.model_validate(
        {
            "data": {"paths": [str(tmp_path / "transactions.parquet")]},
            "split": {"label_delay_days": 5},
            "backtest": {"folds": 2},
            "search": {
                "trials": 2,
                "algorithms": ["xgboost"],
                "max_rounds": 40,
                "max_rows": 4_000,
                "method": "random",
                "columns": [0, 20],
            },
            "ray": {"object_store_bytes": OBJECT_STORE_BYTES, "replay": "local"},
            "tracking": {"enabled": True},
            "work": str(tmp_path / "work"),
        }
    )
    heard = Heard()
    found = tune(settings, heard)
    written = found.write(tmp_path / "recipe.toml", tmp_path / "history.json")
    assert written == [tmp_path / "recipe.toml", tmp_path / "history.json"]

    recipe, history = read_recipe(written[0]), json.loads(written[1].read_text())
    assert recipe.parameters == found.choice.parameters == history["recipe"]
    assert f"{found.choice.average_precision:.4f}" in written[0].read_text()
    assert [len(trial["folds"]) for trial in history["trials"] if trial["finished"]] == [2] * len(
        [trial for trial in found.found.trials if trial.finished]
    )
    best = found.found.best
    assert best.finished
    np.testing.assert_allclose(np.mean(best.folds), best.average_precision)
    assert best.average_precision > 0.1
    assert [fold["training_rows"] for fold in history["folds"]] == [
        len(fold.training) for fold in found.folds
    ]
    assert heard.steps[-1][:2] == (2, 2)

    (run,) = runs(settings.work, "tune")
    assert run.info.status == "FINISHED"
    assert run.data.metrics["average_precision"] == found.choice.average_precision
    assert run.data.tags["data_hash"] == history["data"]["sha256"]
    folds = client(settings.work).get_metric_history(run.info.run_id, "fold_average_precision")
    assert [(entry.step, entry.value) for entry in folds] == list(enumerate(found.choice.trial.folds))
