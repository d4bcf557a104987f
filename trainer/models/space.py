"""What a search may try of one setting, declared once: every method of searching draws from these.

Optuna asks through a trial, Hyperopt takes expressions, a random search draws, a grid counts; which settings
there are is left to the families.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from trainer.models.recipe import Value

_GRID_VALUES = 3  # of a range: both ends and the middle


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few values."""

    options: tuple[Value, ...]

    def including(self, value: Value) -> Choice:
        """Returns the choice with one more value, unless it is there."""
        return self if value in self.options else Choice((*self.options, value))

    def suggest(self, trial: Any, name: str) -> None:
        """Draws through an Optuna trial."""
        trial.suggest_categorical(name, list(self.options))

    def draw(self, chance: np.random.Generator) -> Value:
        """Draws one, each as likely."""
        return self.options[int(chance.integers(len(self.options)))]

    def few(self) -> tuple[Value, ...]:
        """Returns the values for a grid."""
        return self.options

    def hyperopt(self, label: str) -> Any:
        """Returns the expression of Hyperopt."""
        from hyperopt import hp

        return hp.choice(label, list(self.options))

    def hyperopt_value(self, value: Value) -> Any:
        """Returns what stands for a value in a point for Hyperopt: its number."""
        return self.options.index(value)


@dataclass(frozen=True, slots=True)
class Range:
    """A number from low to high, both included; log: as likely in each octave; whole: an integer."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def including(self, value: Value) -> Range:
        """Returns the range, widened where a value lies outside."""
        return replace(self, low=min(self.low, float(value)), high=max(self.high, float(value)))

    def suggest(self, trial: Any, name: str) -> None:
        """Draws through an Optuna trial."""
        if self.whole:
            trial.suggest_int(name, int(self.low), int(self.high), log=self.log)
        else:
            trial.suggest_float(name, self.low, self.high, log=self.log)

    def draw(self, chance: np.random.Generator) -> Value:
        """Draws one."""
        if self.whole and not self.log:
            return int(chance.integers(int(self.low), int(self.high) + 1))
        return self._at(float(chance.random()))

    def few(self) -> tuple[Value, ...]:
        """Returns three values for a grid, both ends and the middle."""
        values = [self._at(place) for place in np.linspace(0, 1, _GRID_VALUES)]
        return tuple(dict.fromkeys(values))

    def hyperopt(self, label: str) -> Any:
        """Returns the expression of Hyperopt."""
        from hyperopt import hp
        from hyperopt.pyll import scope

        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        if self.whole:
            return scope.int((hp.qloguniform if self.log else hp.quniform)(label, low, high, 1))
        return (hp.loguniform if self.log else hp.uniform)(label, low, high)

    def hyperopt_value(self, value: Value) -> Any:
        """Returns what stands for a value in a point for Hyperopt: the value."""
        return value

    def _at(self, share: float) -> Value:
        if self.log:
            value = math.exp(math.log(self.low) + share * (math.log(self.high) - math.log(self.low)))
        else:
            value = self.low + share * (self.high - self.low)
        value = min(max(value, self.low), self.high)
        return round(value) if self.whole else value


Domain = Choice | Range
