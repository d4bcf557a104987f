from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.trainer.samples import parameters
from trainer.models import FAMILIES
from trainer.models.recipe import Recipe, RecipeError
from trainer.models.recipes import checked, read_recipe, shipped_recipe


def test_the_shipped_recipe_can_be_read_and_names_all_that_is_common() -> None:
    shipped = shipped_recipe()
    assert shipped.algorithm in FAMILIES
    assert {"imbalance", "history_days", "columns"} <= set(shipped.parameters)


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_a_recipe_that_was_written_is_read_again(name: str, tmp_path: Path) -> None:
    recipe = Recipe(checked(parameters(name, columns=12, history_days=30.5)))
    recipe.write(tmp_path / "a.toml", ["average precision 0.5", "found by a search"])
    assert read_recipe(tmp_path / "a.toml") == recipe
    assert (tmp_path / "a.toml").read_text().startswith("# average precision 0.5\n# found by a search\n")


def test_what_a_recipe_leaves_out_is_as_nothing_were_done() -> None:
    found = checked({"algorithm": "logistic_regression", "inverse_penalty": 1.0})
    assert (found["imbalance"], found["history_days"], found["columns"]) == ("none", 0, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rounds = 3", "algorithm None is none of xgboost, random_forest"),
        ('algorithm = "svm"', "algorithm 'svm' is none of"),
        ('algorithm = "xgboost"\nrounds = 3\nmax_depth = 2', "xgboost needs learning_rate"),
        ('algorithm = "logistic_regression"\ninverse_penalty = 1\ntrees = 3', "has no 'trees'; it has"),
        ('algorithm = "logistic_regression"\ninverse_penalty = 1\nimbalance = "x"', "'x' is none of none, "),
        (
            'algorithm = "logistic_regression"\ninverse_penalty = 1\ncolumns = -1',
            "columns is a number from 0",
        ),
        ('algorithm = "logistic_regression"\ninverse_penalty = [1]', "neither text nor a number"),
        ("rounds =", "is not valid TOML"),
    ],
)
def test_a_recipe_that_nothing_can_be_fitted_by_is_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(RecipeError, match=message) as caught:
        read_recipe(tmp_path / "a.toml")
    assert str(tmp_path / "a.toml") in str(caught.value)
