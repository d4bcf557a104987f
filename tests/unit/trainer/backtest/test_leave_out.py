"""A kind of fraud that the bank never recognised: it teaches nothing and is judged all the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.unit.trainer.backtest.small import here
from tests.unit.trainer.command import invoke, refused
from tests.unit.trainer.samples import Heard
from trainer.backtest import app
from trainer.backtest.contenders import RECIPE
from trainer.backtest.output.document import as_json
from trainer.backtest.prepared import Prepared, prepared
from trainer.backtest.unrecognised import UnknownKindError
from trainer.progress import Silent
from trainer.settings.config import TrainerSettings
from trainer.synthetic import SyntheticConfig, generate

KIND = "account_takeover"
CONFIG = SyntheticConfig(transactions=9_000, accounts=400, merchants=400, days=45, fraud_rate=0.04)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with transactions as they are, and as a bank has them that never knew of a kind."""
    path = tmp_path_factory.mktemp("leave-out")
    rows = generate(CONFIG)
    rows.write_parquet(path / "all.parquet")
    unknown = pl.col("fraud_cause") == KIND
    labels = [pl.when(~unknown).then(pl.col(name)).alias(name) for name in ("is_fraud", "reported_time")]
    rows.with_columns(labels).drop("fraud_cause").write_parquet(path / "unaware.parquet")
    recipe = 'algorithm = "xgboost"\nrounds = 10\nmax_depth = 3\nlearning_rate = 0.3\n'
    (path / "recipe.toml").write_text(recipe)
    return path


def settings(path: Path, *leave_out: str) -> TrainerSettings:
    fields: dict[str, Any] = {
        "data": {"paths": [str(path)], "until": "2024-04-20T00:00:00+00:00"},
        "split": {"label_delay_days": 3},
        "backtest": {"folds": 2, "leave_out": leave_out, "baselines": ["plain_xgboost"], "resamples": 5},
        "work": path.parent / "work",
    }
    return TrainerSettings.model_validate(fields)


@pytest.fixture(scope="module")
def left_out(folder: Path) -> Prepared:
    return prepared(settings(folder / "all.parquet"), Heard(), (KIND,))


@pytest.fixture(scope="module")
def unaware(folder: Path) -> Prepared:
    return prepared(settings(folder / "unaware.parquet"), Heard())


def test_features_and_labels_are_those_of_a_bank_that_never_knew(
    left_out: Prepared, unaware: Prepared
) -> None:
    assert np.array_equal(left_out.dataset.features.load(), unaware.dataset.features.load(), equal_nan=True)
    for fold in left_out.folds:
        known = (one.dataset.labels_at(fold.test_start_us) for one in (left_out, unaware))
        assert np.array_equal(*known)
    assert np.array_equal(left_out.dataset.is_fraud, unaware.dataset.is_fraud)
    assert left_out.leaks.text == unaware.leaks.text


def test_the_test_holds_the_truth_and_the_same_cards(left_out: Prepared, unaware: Prepared) -> None:
    kinds = left_out.table.kinds
    assert kinds is not None
    of_kind = (kinds == KIND).to_numpy()
    assert left_out.history.is_fraud[of_kind].all()
    assert not left_out.dataset.is_fraud[of_kind].any()
    for mine, theirs in zip(left_out.folds, unaware.folds, strict=True):
        assert np.array_equal(mine.training, theirs.training)
        assert np.array_equal(mine.test, theirs.test)
        assert mine.removed == theirs.removed
    assert of_kind[np.concatenate([fold.test for fold in left_out.folds])].any()


def test_the_reports_of_the_kind_do_change_features_where_it_is_known(
    folder: Path, left_out: Prepared
) -> None:
    known = prepared(settings(folder / "all.parquet"), Heard())
    assert not np.array_equal(known.dataset.features.load(), left_out.dataset.features.load(), equal_nan=True)
    assert known.history.is_fraud.sum() == known.dataset.is_fraud.sum() == left_out.history.is_fraud.sum()


def test_no_fit_sees_the_kind_as_fraud_and_the_findings_judge_it(folder: Path) -> None:
    fits: list[Any] = []

    def watched(asked: list[Any], *rest: Any) -> list[np.ndarray]:
        fits.extend(asked)
        return here(asked, *rest)

    chosen = settings(folder / "all.parquet", KIND)
    found = app.run(chosen, folder / "recipe.toml", Silent(), fitting=watched)
    cause = pl.read_parquet(folder / "all.parquet")["fraud_cause"].to_numpy()
    of_kind = cause == KIND
    assert len(fits) == 2 * 2 * 2
    for fit in fits:
        assert of_kind[fit.start : fit.end].any()
        assert not fit.label[of_kind[fit.start : fit.end]].any()
        assert fit.label.any()
    for one in found.rounds:
        assert not one.holdout.label[of_kind[one.holdout.rows]].any()
        assert np.array_equal(one.judged[RECIPE].scored.label, cause[one.fold.test] != "")
    kinds = {kind.name: kind for kind in found.findings.kinds}
    assert kinds[KIND].frauds > 0
    assert found.findings.left_out == (KIND,)
    assert found.document["kinds"]["left_out"] == [KIND]
    assert found.document["settings"]["backtest"]["leave_out"] == [KIND]
    assert KIND in as_json(found.document).decode()


def test_a_kind_that_the_data_do_not_have_is_refused(folder: Path) -> None:
    chosen = settings(folder / "all.parquet")
    with pytest.raises(UnknownKindError, match="no fraud of kind phishing; there is account_takeover, card_"):
        prepared(chosen, Heard(), ("phishing", KIND))
    with pytest.raises(UnknownKindError, match=r"name the column in the mapping, as label\.kind"):
        prepared(settings(folder / "unaware.parquet"), Heard(), (KIND,))


def test_the_command_says_so_and_ends_with_2(folder: Path, tmp_path: Path) -> None:
    options = ("--label-delay-days", "3", "--folds", "2", "--work", tmp_path)
    said = refused(invoke("backtest", folder / "all.parquet", "--leave-out", "phishing", *options))
    assert "backtest.leave_out: no fraud of kind phishing" in said
    twice = ("--leave-out", KIND, "--leave-out", KIND)
    assert "names a kind twice" in refused(invoke("backtest", folder / "all.parquet", *twice, *options))
