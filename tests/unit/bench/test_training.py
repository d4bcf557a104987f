"""The plain search does the work of Kuntur's, and the tables of both say what was measured."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.measuring.peaks import Taken, watched
from bench.training import plain
from bench.training.problem import SELECT, TRAIN, plain_settings, rows, search_settings
from bench.training.runs import Run, configuration
from bench.training.tables import OTHER, OURS, PLAIN, differing, figures, phase_seconds, phases, programs
from trainer.dataset.rows import TrainingRows
from trainer.evaluation.evaluate import average_precision
from trainer.fitting.fit import fit
from trainer.models import SearchSpace
from trainer.search.methods import random_points
from trainer.settings.config import load
from trainer.settings.searching import SearchSettings
from trainer.synthetic import SyntheticConfig, write

MIB = 1 << 20
TAKEN = Taken(100.0, 2_000_000_000, 300_000_000, 3_000_000_000)
PHASE = {"name": "search", "seconds": 60.0, "peak_bytes": 1_500_000_000, "worker_peak_bytes": 250_000_000}
RUN = Run(TAKEN, 60.0, [PHASE], {1: 0.5, 2: 0.6}, 0.7)


def test_a_plain_trial_reports_what_a_trial_of_ours_does(tmp_path: Path) -> None:
    data = tmp_path / "transactions.parquet"
    write(SyntheticConfig(transactions=8_000, accounts=200, merchants=400, days=80, fraud_rate=0.03), data)
    settings = SearchSettings.model_validate(
        search_settings(2, "none") | {"max_rounds": 40, "max_rows": 2_000}
    )
    train, select = rows(data, settings)
    assert len(train) == 2_000
    assert train["weight"].n_unique() == 2  # a sample of the legitimate stands for all of them
    train.write_parquet(tmp_path / TRAIN)
    select.write_parquet(tmp_path / SELECT)
    arrays = plain.read(tmp_path)
    theirs: list[dict[str, Any]] = []
    plain.fit(plain_settings(settings)[1], arrays, theirs.append)
    space = SearchSpace(("xgboost",), 40, ("none",), (0,), (0,))
    ours: list[tuple[int, float]] = []
    fit(
        TrainingRows(arrays["train"], arrays["label"], arrays["weight"], np.zeros(2_000, dtype=np.float32)),
        random_points(settings, space)[1],
        threads=1,
        seed=settings.seed,
        judge=arrays["select"],
        on_round=lambda rounds, margin: (
            not ours.append(  # type: ignore[func-returns-value]
                (rounds, average_precision(arrays["truth"], margin))
            )
        ),
    )
    assert [report["rounds"] for report in theirs] == [rounds for rounds, _ in ours] == [20, 40]
    assert [report["average_precision"] for report in theirs] == pytest.approx([score for _, score in ours])


def test_the_configuration_is_one_that_the_trainer_reads(tmp_path: Path) -> None:
    found = load(configuration(tmp_path / "one.toml", 3, "xgboost", "none"), {}).search
    assert (found.trials, found.scheduler, found.algorithms) == (3, "none", ("xgboost",))
    assert load(configuration(tmp_path / "two.toml", 3, "shipped", "none"), {}).search == SearchSettings(
        trials=3
    )


def test_a_command_is_watched_to_its_end(tmp_path: Path) -> None:
    other = f"import time; held = bytearray(b'x') * {64 * MIB}; time.sleep(1)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {other!r}], check=True)"
    taken = watched([sys.executable, "-c", code], directory=tmp_path, environment={}, log=tmp_path / "log")
    assert taken.worker_bytes >= 64 * MIB > taken.main_bytes > 0
    assert taken.all_bytes >= taken.main_bytes


def test_a_command_that_fails_ends_the_measurement_with_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no data"):
        watched(
            [sys.executable, "-c", "import sys; sys.exit('no data')"],
            directory=tmp_path, environment={}, log=tmp_path / "log",
        )  # fmt: skip


def test_searches_that_find_something_else_are_told_by_trial() -> None:
    assert differing(RUN, RUN) == []
    assert differing(RUN, replace(RUN, trials={1: 0.5, 2: 0.61})) == ["trial 2: 0.600000 and 0.610000"]
    assert differing(RUN, replace(RUN, trials={3: 0.5})) == ["no trial ran to its end in both searches"]


def test_ratios_are_of_ours_to_the_others_of_the_same_round() -> None:
    slow = replace(RUN, taken=replace(TAKEN, seconds=400.0), search_s=80.0)
    found = figures(1_000_000, [{OURS: RUN, PLAIN: slow, OTHER: slow}] * 2)
    assert found["1000000_ratio_search_to_plain"] == 0.75
    assert found["1000000_ratio_to_other"] == 0.25
    assert found["1000000_rows_per_s"] == 10_000
    assert found["1000000_main_gb_a_million"] == 2.0


def test_tables_have_a_row_for_each_program_and_phase() -> None:
    search_alone = Run(TAKEN, 50.0)
    found = figures(300_000, [{OURS: RUN, PLAIN: search_alone, OTHER: RUN}])
    sheet = programs(found, [300_000], 4)
    assert [row[:6] for row in sheet.rows] == [
        ("300,000", OURS, "100", "3,000", "60 s", "2.00 GB"),
        ("300,000", PLAIN, "100", "", "50 s", "2.00 GB"),
        ("300,000", OTHER, "100", "3,000", "60 s", "2.00 GB"),
        ("300,000", "the first to the plain search", "", "", "1.20", ""),
        ("300,000", "the first to the other checkout", "1.00", "", "", "1.00"),
    ]
    assert {len(row) for row in sheet.rows} == {len(sheet.headings)}
    assert phases({300_000: RUN}).rows == [("search", "60.0 s", "1.50 GB", "0.25 GB")]
    assert phase_seconds({300_000: RUN}) == {"300000_search_s": 60.0}
