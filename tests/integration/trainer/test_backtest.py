"""The command on made transactions, its fits on a Ray of its own, checked by figures computed another way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from tests.unit.trainer.backtest.small import here
from tests.unit.trainer.command import invoke
from trainer.backtest import app
from trainer.progress import Silent
from trainer.settings.config import load
from trainer.synthetic import SyntheticConfig, write

SETTINGS = """
[backtest]
folds = 2
k = 20
resamples = 20
calibrate_days = 10
baselines = ["amount", "plain_xgboost"]
[split]
label_delay_days = 5
[ray]
object_store_bytes = 100000000
"""
RECIPE = 'algorithm = "xgboost"\nrounds = 30\nmax_depth = 3\nlearning_rate = 0.2\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with fifty days of transactions, settings, a recipe, and what the command wrote of them."""
    path = tmp_path_factory.mktemp("backtest")
    size = {"transactions": 12_000, "accounts": 500, "merchants": 400, "days": 50, "fraud_rate": 0.02}
    write(SyntheticConfig.model_validate(size), path / "data.parquet")
    (path / "trainer.toml").write_text(SETTINGS)
    (path / "recipe.toml").write_text(RECIPE)
    result = invoke(
        *("backtest", path / "data.parquet", "--config", path / "trainer.toml", "--work", path / "work"),
        *("--recipe", path / "recipe.toml", "--output", path / "scored.parquet"),
        *("--json", path / "figures.json", "--plots", path / "plots"),
    )
    assert result.exit_code == 0, result.output
    (path / "said.txt").write_text(result.output)
    return path


@pytest.fixture(scope="module")
def figures(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "figures.json").read_text())
    return found


def test_the_scored_rows_give_the_figures_back(folder: Path, figures: dict[str, Any]) -> None:
    scored = pl.read_parquet(folder / "scored.parquet")
    assert scored["transaction_id"].is_unique().all()
    for name, reference in (("average_precision", average_precision_score), ("auc_roc", roc_auc_score)):
        folds = [
            reference(part["is_fraud"].to_numpy(), part["fraud_probability"].to_numpy())
            for part in scored.partition_by("fold", maintain_order=True)
        ]
        told = figures["figures"]["recipe"][name]
        assert [fold["value"] for fold in told["folds"]] == pytest.approx(folds, abs=1e-12)
        assert told["mean"]["value"] == pytest.approx(np.mean(folds), abs=1e-12)
        assert told["std"] == pytest.approx(np.std(folds), abs=1e-12)


def test_each_fold_tests_a_week_without_the_cards_that_were_known(
    folder: Path, figures: dict[str, Any]
) -> None:
    data = pl.read_parquet(folder / "data.parquet")
    scored = pl.read_parquet(folder / "scored.parquet")
    for fold in figures["folds"]:
        start, end = (
            pl.lit(fold[name]).str.to_datetime(time_zone="UTC") for name in ("test_start", "test_end")
        )
        of_week = data.filter((pl.col("event_time") >= start) & (pl.col("event_time") < end))
        tested = scored.filter(pl.col("fold") == fold["number"])
        assert tested.height == fold["test_rows"] == of_week.height - fold["removed_rows"]
        assert set(tested["transaction_id"]) <= set(of_week["transaction_id"])
        assert fold["removed_rows"] > 0


def test_the_recipe_finds_far_more_than_the_amount_tells(figures: dict[str, Any]) -> None:
    found = {name: told["average_precision"]["mean"]["value"] for name, told in figures["figures"].items()}
    assert set(found) == {"recipe", "amount", "plain_xgboost"}
    assert found["recipe"] > 5 * found["amount"]


def test_the_kinds_of_the_generator_are_judged_and_are_in_the_scored_rows(
    folder: Path, figures: dict[str, Any]
) -> None:
    frauds = pl.read_parquet(folder / "scored.parquet").filter("is_fraud")
    counts = dict(frauds["fraud_kind"].value_counts().rows())
    assert {kind["name"]: kind["frauds"] for kind in figures["kinds"]["kinds"]} == counts
    assert figures["kinds"]["all"]["frauds"] == frauds.height
    assert {part["segment"] for part in figures["segments"]} == {
        "amount", "channel", "type", "institution", "merchant category", "merchant country", "account age",
        "account type",
    }  # fmt: skip


def test_workers_of_ray_give_the_bytes_that_one_process_gives(folder: Path) -> None:
    settings = load(
        folder / "trainer.toml", {"data": {"paths": [str(folder / "data.parquet")]}, "work": folder / "work"}
    )
    found = app.run(settings, folder / "recipe.toml", Silent(), fitting=here)
    app.write(found, folder / "again.parquet", folder / "again.json", None)
    assert (folder / "again.parquet").read_bytes() == (folder / "scored.parquet").read_bytes()
    assert (folder / "again.json").read_bytes() == (folder / "figures.json").read_bytes()


def test_the_tables_and_the_files_are_told(folder: Path) -> None:
    said = (folder / "said.txt").read_text()
    for text in (
        "Mean of 2 folds",
        "What it gains",
        "plain XGB",
        "card precision@20",
        "Wrote",
        "Fitting: 8 of 8",
        "What was found of each kind, at 50 alerts a day",
        "card_testing",
    ):
        assert text in said
    plots = sorted((folder / "plots").iterdir())
    assert [path.name for path in plots] == ["fold-1.svg", "fold-2.svg", "kinds.svg"]
    assert "Reliability" in plots[0].read_text()


SEARCHING = """
[split]
select_days = 3
calibrate_days = 3
test_days = 3
warm_up_days = 1
[search]
trials = 2
algorithms = ["xgboost"]
max_rounds = 40
"""


def test_with_search_each_fold_chooses_its_own_recipe_and_the_report_says_which(folder: Path) -> None:
    text = SETTINGS.replace("[split]", SEARCHING.strip().split("[search]")[0].strip())
    (folder / "searching.toml").write_text(text + "[search]" + SEARCHING.split("[search]")[1])
    result = invoke(
        *("backtest", folder / "data.parquet", "--config", folder / "searching.toml", "--search"),
        *("--work", folder / "work", "--json", folder / "searched.json"),
    )
    assert result.exit_code == 0, result.output
    found = json.loads((folder / "searched.json").read_text())
    assert found["recipe"] is None
    said = " ".join(result.output.split())
    for fold in found["folds"]:
        assert fold["recipe"]["rounds"] in (20, 40)
        assert f"Tested from {fold['test_start']}: xgboost, " in said
        assert fold["choice"] in said
    assert "train would search its own" not in said
    assert "train would search its own" in " ".join((folder / "said.txt").read_text().split())
