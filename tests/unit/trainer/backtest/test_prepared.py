"""Data that break the contract or leak are refused before anything is learnt, by each command alike."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.unit.trainer.backtest.small import here
from tests.unit.trainer.command import invoke, refused
from tests.unit.trainer.samples import Heard
from trainer.backtest import app, prepared
from trainer.checks import DataCheckError
from trainer.leakage import LeakageError
from trainer.progress import Progress
from trainer.settings.config import TrainerSettings
from trainer.sources.source import Source, read_source
from trainer.synthetic import SyntheticConfig, generate
from trainer.tuning.run import tune

LEAK = "attribute.chargeback_flag"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with forty days of transactions, as they are and with their label as an attribute."""
    path = tmp_path_factory.mktemp("prepared")
    config = SyntheticConfig(transactions=4_000, accounts=200, merchants=400, days=40, fraud_rate=0.04)
    rows = generate(config).drop("fraud_cause")
    rows.write_parquet(path / "honest.parquet")
    label = pl.col("is_fraud").fill_null(value=False).cast(pl.Float64)
    rows.with_columns(label.alias(LEAK)).write_parquet(path / "leaking.parquet")
    return path


def settings(path: Path, **sections: Any) -> TrainerSettings:
    fields = {
        "data": {"paths": [str(path)]},
        "split": {"label_delay_days": 3},
        "backtest": {"folds": 2},
        "work": path.parent / "work",
    }
    return TrainerSettings.model_validate(fields | sections)


def learnt(*_: object) -> list[Any]:
    raise AssertionError("something was learnt")


def test_the_data_are_described_with_what_was_found_of_them(folder: Path) -> None:
    heard = Heard()
    many = {"min_fraud_share": 0.5, "max_fraud_share": 0.9}
    found = prepared.prepared(settings(folder / "honest.parquet", checks=many), heard)
    assert len(found.folds) == 2
    assert len(found.dataset) == len(found.table) == 4_000
    about = found.about()
    assert (about["rows"], about["label_delay_days"]) == (4_000, 3)
    assert about["sha256"] == found.table.data_hash
    assert about["leakage"] == found.leaks.text
    (warning,) = about["warnings"]
    assert warning.startswith("fraud_share|min")
    assert f"Warning: {warning}" in heard.notes


def test_rows_behind_the_last_training_are_not_asked_for_leaks(folder: Path) -> None:
    rows = pl.read_parquet(folder / "leaking.parquet")
    chosen = settings(folder / "honest.parquet")
    end_us = prepared.prepared(chosen, Heard()).folds[-1].train_end_us
    later = pl.col("event_time").dt.timestamp("us") >= end_us
    path = folder / "later.parquet"
    rows.with_columns(pl.when(later).then(LEAK).otherwise(0.0).alias(LEAK)).write_parquet(path)
    found = {column.name: column for column in prepared.prepared(settings(path), Heard()).leaks.columns}
    assert found.get(LEAK) is None or found[LEAK].own == 0


def test_a_column_that_is_the_label_ends_the_tuning_by_name(folder: Path) -> None:
    heard = Heard()
    with pytest.raises(LeakageError, match=LEAK):
        tune(settings(folder / "leaking.parquet"), heard)
    assert heard.notes[-1] == "Looking for columns that give the label away"


def test_a_column_that_is_the_label_ends_the_backtest_by_name(folder: Path) -> None:
    with pytest.raises(LeakageError, match=LEAK):
        app.run(settings(folder / "leaking.parquet"), None, Heard(), fitting=learnt)


def test_an_accepted_column_passes_and_the_figures_say_so(folder: Path) -> None:
    chosen = settings(folder / "leaking.parquet", leakage={"accept": [LEAK]})
    assert f"Accepted by the settings: {LEAK}" in prepared.prepared(chosen, Heard()).about()["leakage"]


def test_a_broken_contract_ends_backtest_and_tuning(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(settings: TrainerSettings, progress: Progress, **how: bool) -> Source:
        source = read_source(settings, progress, **how)
        frame = source.table.frame.with_columns(pl.lit(-1, dtype=pl.Int64).alias("amount_minor"))
        return replace(source, table=replace(source.table, frame=frame))

    monkeypatch.setattr(prepared, "read_source", broken)
    chosen = settings(folder / "honest.parquet")
    with pytest.raises(DataCheckError, match=r"amount_minor\|min"):
        app.run(chosen, None, Heard(), fitting=here)
    with pytest.raises(DataCheckError, match=r"amount_minor\|min"):
        tune(chosen, Heard())


@pytest.mark.parametrize("command", ["backtest", "tune"])
def test_the_commands_say_what_is_wrong_with_the_data_and_end_with_2(
    command: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--label-delay-days", "3", "--folds", "2", "--work", tmp_path)
    message = refused(invoke(command, folder / "leaking.parquet", *options))
    assert f"{LEAK}: alone it parts fraud from the rest" in message
    monkeypatch.setenv("KUNTUR_TRAINER_CHECKS__STRICT", "true")
    monkeypatch.setenv("KUNTUR_TRAINER_CHECKS__MIN_FRAUD_SHARE", "0.5")
    monkeypatch.setenv("KUNTUR_TRAINER_CHECKS__MAX_FRAUD_SHARE", "0.9")
    message = refused(invoke(command, folder / "honest.parquet", *options))
    assert "checks of the data failed" in message
    assert "fraud_share|min" in message
