"""Which families there are, and one search space over all of them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainer.models.base import Family
from trainer.models.forest import RandomForest
from trainer.models.gradient_boosting import GradientBoosting
from trainer.models.imbalance import STRATEGIES
from trainer.models.linear import LogisticFamily
from trainer.models.recipe import COMMON, Value
from trainer.models.space import Choice, Domain

FAMILIES: dict[str, Family] = {
    family.name: family for family in (GradientBoosting(), RandomForest(), LogisticFamily())
}
Point = dict[str, Value]


@dataclass(frozen=True, slots=True)
class SearchSpace:
    """The search space: the family first, then what is common to all, then what the family needs.

    algorithms: names of families; imbalance, history_days, columns: what to try of each. A class and not a
    closure, because Ray writes it down with the search.
    """

    algorithms: tuple[str, ...]
    max_rounds: int
    imbalance: tuple[str, ...] = STRATEGIES
    history_days: tuple[float, ...] = (0,)
    columns: tuple[int, ...] = (0,)

    def start(self, algorithm: str) -> Point:
        """Returns the usual settings of a family, with an imbalance that is to be tried."""
        usual = {**COMMON, **FAMILIES[algorithm].usual(self.max_rounds)}
        if usual["imbalance"] not in self.imbalance:
            usual["imbalance"] = self.imbalance[0]
        return {"algorithm": algorithm, **usual}

    def starts(self) -> list[Point]:
        """Returns the settings to begin with: the usual ones of each family and the shipped recipe."""
        return [self.start(name) for name in self.algorithms]

    def domains(self, algorithm: str) -> dict[str, Domain]:
        """Returns what to try of each setting of a family; what a search begins with is always possible."""
        history, columns = Choice(self.history_days), Choice(self.columns)
        for start in self.starts():  # of all families: Optuna wants one domain a name
            history = history.including(start["history_days"])
            columns = columns.including(start["columns"])
        found: dict[str, Domain] = {
            "imbalance": Choice(self.imbalance),
            "history_days": history,
            "columns": columns,
        }
        own = FAMILIES[algorithm].space(self.max_rounds)
        for name, value in self.start(algorithm).items():
            if name not in COMMON and name != "algorithm":
                found[name] = own[name].including(value) if name in own else Choice((value,))
        return found

    def __call__(self, trial: Any) -> None:
        """Draws settings through an Optuna trial."""
        name = trial.suggest_categorical("algorithm", list(self.algorithms))
        for setting, domain in self.domains(name).items():
            domain.suggest(trial, setting)

    def draw(self, chance: np.random.Generator) -> Point:
        """Draws settings, each as likely as any."""
        name = self.algorithms[int(chance.integers(len(self.algorithms)))]
        return {"algorithm": name} | {k: domain.draw(chance) for k, domain in self.domains(name).items()}

    def grid(self) -> list[Point]:
        """Returns every combination of a few values of what each family declares worth it; else the usual."""
        points: list[Point] = []
        for name in self.algorithms:
            domains = self.domains(name)
            axes = ("imbalance", "history_days", "columns", *FAMILIES[name].grid)
            values = itertools.product(*(domains[axis].few() for axis in axes))
            points += [self.start(name) | dict(zip(axes, each, strict=True)) for each in values]
        return points

    def hyperopt(self) -> Any:
        """Returns the space as an expression of Hyperopt."""
        from hyperopt import hp

        return hp.choice(
            "algorithm",
            [
                {"algorithm": name}
                | {k: domain.hyperopt(f"{name}.{k}") for k, domain in self.domains(name).items()}
                for name in self.algorithms
            ],
        )

    def hyperopt_point(self, point: Point) -> dict[str, Any]:
        """Returns settings as Hyperopt takes points to begin with: by label, choices by number."""
        name = str(point["algorithm"])
        return {"algorithm": self.algorithms.index(name)} | {
            f"{name}.{k}": domain.hyperopt_value(point[k]) for k, domain in self.domains(name).items()
        }
