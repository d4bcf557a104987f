"""Which families there are, and one search space over all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from trainer.imbalance import STRATEGIES
from trainer.models.base import Family
from trainer.models.forest import RandomForest
from trainer.models.gradient_boosting import GradientBoosting
from trainer.models.linear import LogisticFamily

FAMILIES: dict[str, Family] = {family.name: family for family in (GradientBoosting(), RandomForest(), LogisticFamily())}


def suggest(algorithms: Sequence[str], max_rounds: int) -> Callable[[Any], dict[str, Any]]:
    """Gives the search space as Optuna's define-by-run function: the family first, then what it needs."""

    def space(trial: Any) -> dict[str, Any]:
        name = trial.suggest_categorical("algorithm", list(algorithms))
        trial.suggest_categorical("imbalance", list(STRATEGIES))
        FAMILIES[name].suggest(trial, max_rounds)
        return {}

    return space
