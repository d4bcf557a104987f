"""One trial of a search: a setting fitted on each fold, judged as it grows, reported to Ray Tune.

It runs in a worker of Ray; what is tried next is not its business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from trainer.evaluation import bootstrap, evaluate
from trainer.fitting.fit import fit
from trainer.search.problem import Fold, Problem
from trainer.search.result import Curve

METRIC = "average_precision"
REPLICATES = 25  # a standard error to within a seventh or so, for a fifth of a second a report of 65,000 rows
_SEED = 0  # of the replicates: the same draws for every trial, so that their differences mean something


def run_trial(
    config: dict[str, Any],
    problem: Problem,
    rankings: Sequence[npt.NDArray[np.intp] | None],
    cpus: int,
    seed: int,
) -> None:
    """Fits one setting fold by fold and reports its average precision.

    With one fold it reports as the model grows, with several after each fold, over the folds until then: so
    reports of different trials with the same number compare. rankings: the columns by importance, by fold.
    """
    from ray import tune

    def report(found: dict[str, Any]) -> bool:
        tune.report(found)
        return True

    grown(flat(config), problem, rankings, cpus, seed, report)


def grown(
    parameters: dict[str, Any],
    problem: Problem,
    rankings: Sequence[npt.NDArray[np.intp] | None],
    threads: int,
    seed: int,
    report: Callable[[dict[str, Any]], bool],
) -> None:
    """Fits one setting fold by fold and hands its average precision by rounds over.

    With one fold as the model grows, and `report` says whether it is to grow on; with several after each.
    """
    curve, stopped = _Curve(), False
    for fold, ranking in zip(problem.folds, rankings, strict=True):
        curve.begin()

        def on_round(rounds: int, margin: npt.NDArray[np.float32], fold: Fold = fold) -> bool:
            nonlocal stopped
            curve.add(rounds, fold, margin)
            stopped = len(problem.folds) == 1 and not report(curve.report())
            return not stopped

        judge = problem.judge(fold)
        model = fit(
            problem.training(fold),
            parameters,
            threads=threads,
            seed=seed,
            judge=judge,
            on_round=on_round,
            ranking=ranking,
        )
        rounds = int(parameters.get("rounds", 1))
        # A family without rounds, or a number of them between two reports.
        if not stopped and not curve.has(rounds):
            on_round(rounds, model.margin(judge))
        if len(problem.folds) > 1:
            report(curve.report())


def flat(config: dict[str, Any]) -> dict[str, Any]:
    """Returns the parameters of a trial; Hyperopt puts them one level down."""
    nested = config.get("setting")
    parameters = nested if isinstance(nested, dict) else config
    return {name: value for name, value in parameters.items() if not isinstance(value, dict)}


def curve_of(found: Mapping[str, Any]) -> Curve:
    """Returns the curve of what a trial reported."""
    curve = found["curve"]
    return Curve(
        tuple(curve["rounds"]),
        tuple(curve[METRIC]),
        tuple(tuple(drawn) for drawn in curve["replicates"]),
    )


class _Curve:
    """Average precision by rounds, over folds, with its bootstrap replicates."""

    def __init__(self) -> None:
        self._folds: list[dict[int, npt.NDArray[np.float64]]] = []

    def begin(self) -> None:
        """Goes on to the next fold."""
        self._folds.append({})

    def has(self, rounds: int) -> bool:
        """Tells whether the fold has been judged after so many rounds."""
        return rounds in self._folds[-1]

    def add(self, rounds: int, fold: Fold, margin: npt.NDArray[np.float32]) -> None:
        """Judges margins, float32 [m]."""
        drawn = bootstrap.average_precision_replicates(fold.truth, margin, fold.groups, REPLICATES, _SEED)
        score = evaluate.average_precision(fold.truth, margin)
        self._folds[-1][rounds] = np.concatenate([[score], drawn])

    def report(self) -> dict[str, Any]:
        """Returns the means over the folds so far at the numbers of rounds that all of them came to."""
        rounds = [count for count in self._folds[-1] if all(count in fold for fold in self._folds)]
        means = np.array([[fold[count] for fold in self._folds] for count in rounds]).mean(axis=1)
        best = int(np.argmax(means[:, 0]))
        return {
            METRIC: float(means[best, 0]),
            "rounds": rounds[best],
            "folds": [float(fold[rounds[best]][0]) for fold in self._folds],
            "curve": {
                "rounds": rounds,
                METRIC: means[:, 0].tolist(),
                "replicates": np.round(means[:, 1:], 6).tolist(),
            },
        }
