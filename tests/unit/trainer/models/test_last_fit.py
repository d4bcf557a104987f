"""The fit on all rows within the memory that is allowed: here, by workers, on fewer rows, spilled."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import xgboost as xgb

from tests.integration.trainer.searching import Heard
from trainer.dataset.features import Features, InMemory
from trainer.dataset.rows import TrainingRows
from trainer.fitting import last
from trainer.fitting.distributed import Sharing, share_of
from trainer.fitting.fit import fit
from trainer.fitting.last import last_fit
from trainer.fitting.limits import needed_bytes
from trainer.models.blocks import quantile_matrix
from trainer.settings.config import TrainerSettings

ROWS, COLUMNS, PART = 3_000, 5, 500
TREES = {"algorithm": "xgboost", "rounds": 8, "max_depth": 4, "learning_rate": 0.3, "columns": 3}
FOREST = {"algorithm": "random_forest", "trees": 5, "tree_depth": 4, "leaf_rows": 5, "column_share": 0.5}


@pytest.fixture(scope="module")
def rows() -> TrainingRows:
    chance = np.random.default_rng(3)
    matrix = chance.normal(size=(ROWS, COLUMNS)).astype(np.float32)
    matrix[chance.random(matrix.shape) < 0.1] = np.nan
    label = (matrix[:, 0] + matrix[:, 1] > 2).astype(np.float32)
    parts = [InMemory(matrix[start : start + PART]) for start in range(0, ROWS, PART)]
    ones = np.ones(ROWS, dtype=np.float32)
    return TrainingRows(Features.over(parts, COLUMNS), label, ones, ones)


def settings(work: Path, driver_bytes: int) -> TrainerSettings:
    return TrainerSettings(work=work, fit={"driver_bytes": driver_bytes})


@pytest.fixture
def by_workers(monkeypatch: pytest.MonkeyPatch) -> list[TrainingRows]:
    """Ray's part done in this process; what it was asked for."""
    asked: list[TrainingRows] = []

    def fit_shared(
        rows: TrainingRows, parameters: dict, sharing: Sharing, *, seed: int, work: Path
    ) -> object:
        asked.append(rows)
        work.mkdir(parents=True, exist_ok=True)
        return last.fit_chosen(rows, np.arange(3), parameters, threads=1, seed=seed).model

    monkeypatch.setattr(last, "connected", lambda _: nullcontext())
    monkeypatch.setattr(Sharing, "of", lambda *_: Sharing(2, 1, 1 << 30))
    monkeypatch.setattr(last, "fit_shared", fit_shared)
    return asked


def test_rows_that_fit_this_process_are_fitted_here(
    tmp_path: Path, rows: TrainingRows, by_workers: list[TrainingRows]
) -> None:
    heard = Heard()
    last_fit(rows, TREES, settings(tmp_path, needed_bytes(ROWS, 3)), heard)
    assert by_workers == []
    assert heard.notes == []


def test_rows_that_do_not_fit_are_fitted_by_workers_and_the_model_is_kept(
    tmp_path: Path, rows: TrainingRows, by_workers: list[TrainingRows]
) -> None:
    heard, chosen = Heard(), settings(tmp_path, needed_bytes(ROWS, 3) - 1)
    first = last_fit(rows, TREES, chosen, heard)
    assert [asked.columns for asked in by_workers] == [3]  # those of the recipe alone
    assert "2 workers of 1 thread fit them" in heard.notes[0]
    again = last_fit(rows, TREES, chosen, heard)
    assert len(by_workers) == 1
    assert "ended behind its fit" in heard.notes[-1]
    matrix = rows.features
    assert np.array_equal(again.margin(matrix), first.margin(matrix))
    last_fit(rows, TREES | {"rounds": 9}, chosen, heard)
    assert len(by_workers) == 2
    for rounds in range(10, 13):
        last_fit(rows, TREES | {"rounds": rounds}, chosen, heard)
    assert len(list((tmp_path / "fit").glob("*.ubj"))) == 3


def test_another_algorithm_learns_from_as_many_rows_as_fit_and_says_so(
    tmp_path: Path, rows: TrainingRows, by_workers: list[TrainingRows]
) -> None:
    heard = Heard()
    last_fit(rows, FOREST, settings(tmp_path, needed_bytes(1_000, COLUMNS)), heard)
    assert by_workers == []
    assert "it learns from 1,000 of 3,000, all frauds among them" in heard.notes[0]


def test_workers_have_each_row_once_and_rows_of_all_times(rows: TrainingRows) -> None:
    shares = [share_of(rows, rank, 2).held.rows for rank in range(2)]
    assert sorted(np.concatenate(shares).tolist()) == list(range(ROWS))
    assert [np.unique(share // PART).tolist() for share in shares] == [[0, 2, 4], [1, 3, 5]]


def test_bins_that_are_spilled_give_the_model_of_those_in_memory(tmp_path: Path, rows: TrainingRows) -> None:
    setting = {"objective": "binary:logistic", "max_bin": 64, "max_depth": 4, "seed": 2, "nthread": 1}
    setting |= {"subsample": 0.8, "colsample_bytree": 0.7, "base_score": 0.5}
    models = [
        xgb.train(setting, quantile_matrix(rows, 64, 1, spill), 10).save_raw("ubj")
        for spill in (None, tmp_path)
    ]
    assert models[0] == models[1]


def test_rows_in_parts_give_the_model_of_one_part_but_for_the_bins(rows: TrainingRows) -> None:
    whole = TrainingRows(rows.features, rows.label, rows.weight, rows.age_days)
    parameters = TREES | {"columns": 0, "max_bin": 4_000}  # a bin for each value: no sketch is left to differ
    models = [fit(held, parameters, threads=1, seed=1).model for held in (whole, rows)]
    assert models[0].booster.save_raw("ubj") == models[1].booster.save_raw("ubj")
