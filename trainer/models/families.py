"""Which families there are, and one search space over all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trainer.imbalance import STRATEGIES
from trainer.models.base import Family
from trainer.models.forest import RandomForest
from trainer.models.gradient_boosting import GradientBoosting
from trainer.models.linear import LogisticFamily
from trainer.recipe import COMMON

FAMILIES: dict[str, Family] = {
    family.name: family for family in (GradientBoosting(), RandomForest(), LogisticFamily())
}


@dataclass(frozen=True, slots=True)
class SearchSpace:
    """The search space as Optuna's define-by-run function: the family first, then what it needs.

    A class and not a closure, because Ray writes it down with the search.
    """

    algorithms: tuple[str, ...]
    max_rounds: int

    def starts(self) -> list[dict[str, Any]]:
        """Gives the settings to begin with: the usual ones of each family."""
        return [
            {"algorithm": name, **COMMON, **FAMILIES[name].usual(self.max_rounds)} for name in self.algorithms
        ]

    def __call__(self, trial: Any) -> None:
        """Draws settings through a trial."""
        name = trial.suggest_categorical("algorithm", list(self.algorithms))
        trial.suggest_categorical("imbalance", list(STRATEGIES))
        for common in ("history_days", "columns"):
            trial.suggest_categorical(common, [COMMON[common]])
        FAMILIES[name].suggest(trial, self.max_rounds)
