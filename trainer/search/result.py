"""What a search found: its trials, how good each was as it grew, and the setting that was chosen."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from trainer.models import FAMILIES


@dataclass(frozen=True, slots=True)
class Curve:
    """Average precision after so many rounds, ascending, and in each replicate of the bootstrap.

    replicates: by rounds, then by replicate; the same draws in every trial of a search.
    """

    rounds: tuple[int, ...] = ()
    average_precision: tuple[float, ...] = ()
    replicates: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Trial:
    """One setting that was tried: what it was, how good it got and after how many rounds.

    finished: whether it ran to its end, rather than being cut short as hopeless or for want of time, or
    failing; failed: whether an error ended it, after the result that it has; folds: the average precision of
    each fold at `rounds`; number: its place in the order of starting, from 1; 0
    where that is not known.
    """

    parameters: dict[str, Any]
    average_precision: float
    rounds: int
    seconds: float
    finished: bool
    failed: bool = False
    folds: tuple[float, ...] = ()
    curve: Curve = Curve()
    number: int = 0

    def at(self, rounds: int) -> dict[str, Any]:
        """Returns the parameters with another number of rounds; the same for a family without rounds."""
        return self.parameters | {"rounds": rounds} if "rounds" in self.parameters else self.parameters


@dataclass(frozen=True, slots=True)
class FailedTrial:
    """One setting that an error ended before any result. number: as that of `Trial`."""

    parameters: dict[str, Any]
    number: int


@dataclass(frozen=True, slots=True)
class Choice:
    """The setting that a search settles for.

    average_precision: its own; standard_error: of its distance from the best; cost: of a row, in comparisons;
    text: why it was chosen, in words.
    """

    trial: Trial
    rounds: int
    average_precision: float
    standard_error: float
    cost: float
    text: str

    @property
    def parameters(self) -> dict[str, Any]:
        """Returns what to fit."""
        return self.trial.at(self.rounds)


@dataclass(frozen=True, slots=True)
class SearchResult:
    """All trials, those judged on most folds and of them the best first; apart, those without a result."""

    trials: tuple[Trial, ...]
    failed: tuple[FailedTrial, ...] = ()

    @property
    def best(self) -> Trial:
        """The best trial."""
        return self.trials[0]

    def choice(self, standard_errors: float) -> Choice:
        """Returns the cheapest setting that is at most so many standard errors worse than the best.

        The standard error is that of the difference, over replicates that drew the same rows for both: so
        what all models find equally hard does not count (Breiman and others, 1984, for the rule). Trials and
        their numbers of rounds compete alike; 0 takes the best.
        """
        best = _best(self.best)
        candidates = [best]
        for trial in self.trials:
            if len(trial.folds) < len(self.best.folds):
                continue  # judged on easier folds, or harder ones
            for place, rounds in enumerate(trial.curve.rounds):
                score = trial.curve.average_precision[place]
                error = _standard_error(best, trial.curve.replicates[place])
                if best.average_precision - score <= standard_errors * error:
                    candidates.append(Choice(trial, rounds, score, error, _cost(trial, rounds), ""))
        chosen = min(candidates, key=lambda candidate: (candidate.cost, -candidate.average_precision))
        return replace(chosen, text=_reason(chosen, best, standard_errors))


def _best(trial: Trial) -> Choice:
    return Choice(trial, trial.rounds, trial.average_precision, 0.0, _cost(trial, trial.rounds), "")


def _cost(trial: Trial, rounds: int) -> float:
    return FAMILIES[trial.parameters["algorithm"]].cost(trial.at(rounds))


def _standard_error(best: Choice, replicates: tuple[float, ...]) -> float:
    curve = best.trial.curve
    difference = np.array(curve.replicates[curve.rounds.index(best.rounds)]) - np.array(replicates)
    known: npt.NDArray[np.float64] = difference[~np.isnan(difference)]
    return float(known.std(ddof=1)) if len(known) > 1 else 0.0


def _reason(chosen: Choice, best: Choice, standard_errors: float) -> str:
    if chosen.trial is best.trial and chosen.rounds == best.rounds:
        return f"the best of all: average precision {best.average_precision:.4f}"
    rounds = ""
    if chosen.trial is best.trial:  # one trial twice: say what tells the two figures apart
        rounds = f" after {chosen.rounds:,} rounds instead of {best.rounds:,}"
    return (
        f"the cheapest within {standard_errors:g} standard error of the best: average precision "
        f"{chosen.average_precision:.4f} instead of {best.average_precision:.4f}{rounds}, standard error of "
        f"the difference {chosen.standard_error:.4f}; {chosen.cost:,.0f} comparisons a row instead of "
        f"{best.cost:,.0f}"
    )


def trials_as_json(result: SearchResult) -> bytes:
    """Returns all trials as a document for the bundle, those that failed without a result at the end."""
    trials: list[dict[str, Any]] = []
    for trial in result.trials:
        row = asdict(trial)
        del row["curve"]["replicates"]  # thousands of numbers that only the choice needs
        trials.append(row)
    trials += [asdict(trial) | {"failed": True} for trial in result.failed]
    return (json.dumps(trials, indent=1) + "\n").encode()
