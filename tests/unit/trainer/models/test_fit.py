from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.unit.trainer.samples import features, parameters, training_rows
from trainer.fitting.fit import Fitted, TooFewFraudsError, fit
from trainer.fitting.selection import ranked

PROBES = features(300, seed=9)


def made(rows: Any = None, name: str = "xgboost", **changes: Any) -> Fitted:
    given = training_rows() if rows is None else rows
    return fit(given, parameters(name, **changes), threads=1, seed=3)


def test_a_fit_takes_all_columns_unless_it_is_told_how_many() -> None:
    assert made().columns.tolist() == [0, 1, 2, 3, 4]
    assert made(columns=5).columns.tolist() == [0, 1, 2, 3, 4]


def test_the_columns_that_are_kept_are_those_the_label_was_made_of() -> None:
    few = made(columns=2)
    assert few.columns.tolist() == [0, 4]
    beside = PROBES.copy()
    beside[:, [1, 2, 3]] = 7
    assert few.margin(beside).tolist() == few.margin(PROBES).tolist()
    assert few.model.margin(PROBES[:, [0, 4]].copy()).tolist() == few.margin(PROBES).tolist()


def test_the_same_rows_rank_columns_the_same() -> None:
    first, second = (ranked(training_rows()).tolist() for _ in range(2))
    assert first == second
    assert sorted(first) == [0, 1, 2, 3, 4]


def test_a_ranking_that_is_given_is_not_made_again() -> None:
    given = fit(
        training_rows(),
        parameters("xgboost", columns=2),
        threads=1,
        seed=3,
        ranking=np.array([3, 1, 0, 2, 4]),
    )
    assert given.columns.tolist() == [1, 3]


def test_rows_older_than_the_history_are_as_if_they_were_not_there() -> None:
    rows = training_rows()
    recent = rows.take(rows.age_days <= 30)
    assert 400 < len(recent) < 600
    assert made(rows, history_days=30).margin(PROBES).tolist() == made(recent).margin(PROBES).tolist()


def test_history_without_frauds_is_told() -> None:
    rows = training_rows()
    calm = replace(rows, label=np.where(rows.age_days <= 10, 0, rows.label).astype(np.float32))
    with pytest.raises(TooFewFraudsError, match=r"last 10 days hold \d+ transactions of which 0 are known"):
        made(calm, history_days=10)


def test_the_judging_rows_are_given_whole_and_seen_by_the_chosen_columns() -> None:
    seen: list[np.ndarray] = []

    def keep(rounds: int, margin: np.ndarray) -> bool:
        del rounds
        seen.append(margin)
        return True

    settings = parameters("xgboost", columns=2, rounds=20)
    model = fit(training_rows(), settings, threads=1, seed=3, judge=PROBES, on_round=keep)
    assert len(seen) == 1
    np.testing.assert_allclose(seen[0], model.margin(PROBES), atol=1e-6)
