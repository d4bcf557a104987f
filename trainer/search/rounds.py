"""Early stopping: how many rounds a recipe takes, by its own curve on the selection window.

It is a search of one trial: the curve, and the rule that settles for fewer rounds which are no worse, are
those of any search. So a recipe that asks for it takes as many rounds as `train` would have it take.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainer.fitting.selection import ranked
from trainer.models import Parameters
from trainer.models.recipe import COMMON, EARLY_STOPPING
from trainer.search.problem import Problem
from trainer.search.result import Choice, SearchResult, Trial
from trainer.search.trial import METRIC, curve_of, grown

PATIENCE_ROUNDS = 100  # without a better average precision, after which a model grows no further


def asks_for_early_stopping(recipe: Parameters) -> bool:
    """Tells whether a recipe leaves the number of its rounds to the selection window."""
    return bool(recipe.get(EARLY_STOPPING, False))


def stopped_early(
    recipe: Parameters, problem: Problem, standard_errors: float, threads: int, seed: int
) -> Choice:
    """Grows a recipe on a problem of one fold, at most to its `rounds`, and settles for a number of them.

    standard_errors: as for `SearchResult.choice`. Raises TooFewFraudsError.
    """
    parameters: dict[str, Any] = {name: value for name, value in recipe.items() if name != EARLY_STOPPING}
    found: Mapping[str, Any] = {}

    def report(told: dict[str, Any]) -> bool:
        nonlocal found
        found = told
        return int(told["curve"]["rounds"][-1]) - int(told["rounds"]) < PATIENCE_ROUNDS

    columns = int(parameters.get("columns") or COMMON["columns"])
    rankings = [ranked(problem.training(fold)) if columns else None for fold in problem.folds]
    grown(parameters, problem, rankings, threads, seed, report)
    trial = Trial(
        parameters,
        float(found[METRIC]),
        int(found["rounds"]),
        seconds=0.0,
        finished=True,
        folds=tuple(found["folds"]),
        curve=curve_of(found),
    )
    return SearchResult((trial,)).choice(standard_errors)
