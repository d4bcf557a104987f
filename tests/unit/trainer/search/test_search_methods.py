"""What each method of searching proposes, asked directly, without a Ray."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.trainer.samples import Heard, training_rows
from trainer.fitting.fit import fit
from trainer.models import FAMILIES, SearchSpace
from trainer.models.recipes import checked, shipped_recipe
from trainer.models.space import Choice, Range
from trainer.search.methods import grid_points, searcher
from trainer.search.trial import flat
from trainer.settings.searching import SearchSettings

FAMILY_NAMES = tuple(FAMILIES)
METHODS = ("tpe", "hyperopt", "random", "grid")
SPACE = SearchSpace(FAMILY_NAMES, 40, history_days=(0, 60), columns=(0, 3))


def settings(method: str, **changes: Any) -> SearchSettings:
    return SearchSettings.model_validate({"method": method, "trials": 14, "max_rounds": 40} | changes)


def proposals(asked: Any, numbers: range) -> list[dict[str, Any]]:
    """Asks for settings, and answers that deeper trees are better."""
    found = []
    for number in numbers:
        point = asked.suggest(str(number))
        found.append(flat(point))
        score = float(found[-1].get("max_depth", 1)) / 100
        result = {"average_precision": score, "training_iteration": 1}
        asked.on_trial_result(str(number), result)
        asked.on_trial_complete(str(number), result)
    return found


@pytest.mark.parametrize("method", METHODS)
def test_every_method_begins_with_the_usual_settings_and_proposes_recipes(method: str) -> None:
    found = proposals(searcher(settings(method), SPACE, Heard()), range(14))
    assert found[: len(FAMILY_NAMES)] == SPACE.starts()
    assert {point["algorithm"] for point in found[len(FAMILY_NAMES) :]} == set(FAMILY_NAMES)
    for point in found:
        assert checked(point) == point  # nothing missing, nothing too much
        domains = SPACE.domains(point["algorithm"])
        for name, domain in domains.items():
            value = point[name]
            if isinstance(domain, Choice):
                assert value in domain.options
            else:
                assert domain.low <= value <= domain.high
                assert isinstance(value, int) or not domain.whole


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_proposes_the_same_and_another_does_not(method: str) -> None:
    first, again = (proposals(searcher(settings(method), SPACE, Heard()), range(10)) for _ in range(2))
    other = proposals(searcher(settings(method, seed=8), SPACE, Heard()), range(10))
    assert first == again
    assert first != other


@pytest.mark.parametrize("method", METHODS)
def test_a_method_that_was_written_down_goes_on_where_it_stopped(method: str, tmp_path: Path) -> None:
    whole = proposals(searcher(settings(method), SPACE, Heard()), range(10))
    before = searcher(settings(method), SPACE, Heard())
    first = proposals(before, range(6))
    before.save(str(tmp_path / "state"))
    after = searcher(settings(method), SPACE, Heard())
    after.restore(str(tmp_path / "state"))
    assert first + proposals(after, range(6, 10)) == whole


def test_what_is_drawn_can_be_fitted() -> None:
    chance, rows = np.random.default_rng(0), training_rows(300)
    for _ in range(12):
        point = SPACE.draw(chance)
        model = fit(rows, point | {"trees": 2, "rounds": 2}, threads=1, seed=0)
        assert np.isfinite(model.margin(rows.features)).all()


def test_a_grid_that_fits_is_tried_whole() -> None:
    narrow = SearchSpace(("xgboost",), 40, imbalance=("none",))
    heard = Heard()
    points = grid_points(settings("grid"), narrow, heard)
    assert heard.notes == []
    pairs = {(point["max_depth"], round(float(point["learning_rate"]), 6)) for point in points}
    assert {depth for depth, _ in pairs} >= {3, 8}
    assert {rate for _, rate in pairs} >= {0.03, 0.094868, 0.3}
    assert len(points) == len(pairs) in (9, 10)  # the usual settings may be one of the nine


def test_a_grid_that_does_not_fit_is_told() -> None:
    heard = Heard()
    assert len(grid_points(settings("grid"), SPACE, heard)) == 14
    assert heard.notes[0].startswith("The grid has ")
    assert "14 of them are tried" in heard.notes[0]


@pytest.mark.parametrize("method", METHODS)
def test_only_what_the_settings_name_is_tried_against_the_rarity_of_fraud(method: str) -> None:
    narrow = SearchSpace(FAMILY_NAMES, 40, imbalance=("undersample",))
    found = proposals(searcher(settings(method), narrow, Heard()), range(14))
    assert {point["imbalance"] for point in found} == {"undersample"}


def test_a_recipe_with_its_own_history_and_columns_is_begun_with_and_drawn_for_all_families(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shipped = shipped_recipe().parameters | {"history_days": 90, "columns": 4, "num_parallel_tree": 2}
    monkeypatch.setattr("trainer.models.gradient_boosting.parameters_in", lambda _: shipped)
    found = proposals(searcher(settings("tpe", trials=30), SPACE, Heard()), range(30))
    assert (found[0]["history_days"], found[0]["columns"], found[0]["num_parallel_tree"]) == (90, 4, 2)
    drawn = [point for point in found[len(FAMILY_NAMES) :] if point["algorithm"] != "xgboost"]
    assert {point["columns"] for point in drawn} == {0, 3, 4}
    assert all("num_parallel_tree" not in point for point in drawn)


def test_fewer_trials_than_families_try_the_first_of_them() -> None:
    for method in METHODS:
        asked = searcher(settings(method, trials=1), SPACE, Heard())
        assert flat(asked.suggest("1")) == SPACE.starts()[0]


def test_what_a_search_begins_with_widens_what_it_tries() -> None:
    assert Range(0.1, 1.0).including(2.5) == Range(0.1, 2.5)
    assert Choice((1, 2)).including(2) == Choice((1, 2))
    assert Choice((1, 2)).including(3) == Choice((1, 2, 3))


def test_a_range_is_drawn_evenly_and_a_log_range_by_octaves() -> None:
    chance = np.random.default_rng(0)
    even = [float(Range(1, 100).draw(chance)) for _ in range(400)]
    log = [float(Range(1, 100, log=True).draw(chance)) for _ in range(400)]
    whole = [Range(1, 3, whole=True).draw(chance) for _ in range(100)]
    assert 40 < np.median(even) < 60
    assert 7 < np.median(log) < 14
    assert set(whole) == {1, 2, 3}
