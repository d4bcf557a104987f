"""Which recipe each fold fits: the one given, with rounds by early stopping, or what `train` would choose.

A fold chooses as `train --until` the start of its test does: by the same search, on the same windows, with
labels as known then. Its test comes later, and has no part in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from trainer.backtest.folds import Fold
from trainer.cluster.connection import connected, require_cpus
from trainer.dataset.training_set import Dataset, informative
from trainer.dataset.windows import judging_rows, training_rows
from trainer.models import Parameters
from trainer.progress import Progress
from trainer.search.problem import Problem
from trainer.search.result import Choice
from trainer.search.rounds import asks_for_early_stopping, stopped_early
from trainer.search.run import search
from trainer.search.window import problem_of_window
from trainer.settings.config import TrainerSettings
from trainer.sources.split import TooLittleHistoryError, cut, iso

# Settles the rounds of a recipe on the problem of each fold.
Stopping = Callable[[Parameters, Sequence[Problem], TrainerSettings, Progress], list[Choice]]


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a fold fits, and why; text: empty for a recipe that was given as it is."""

    parameters: Parameters
    text: str = ""


def stopped_on_ray(
    recipe: Parameters, problems: Sequence[Problem], settings: TrainerSettings, progress: Progress
) -> list[Choice]:
    """Settles the rounds of a recipe on each problem, as tasks of Ray. Raises ClusterError."""
    import ray
    from ray.exceptions import RayTaskError

    threads, seed = settings.backtest.cpus_per_fit, settings.backtest.seed
    with connected(settings.ray):
        require_cpus(threads)
        task = ray.remote(num_cpus=threads)(stopped_early)
        waiting = [
            task.remote(dict(recipe), problem, settings.search.standard_errors, threads, seed)
            for problem in problems
        ]
        found = []
        try:
            for done, reference in enumerate(waiting):
                progress.step("Choosing rounds", done, len(waiting))
                found.append(ray.get(reference))
        except RayTaskError as error:
            raise error.as_instanceof_cause() from error
    progress.step("Choosing rounds", len(waiting), len(waiting))
    return found


def choose(
    folds: Sequence[Fold],
    dataset: Dataset,
    recipe: Parameters,
    delay_days: float,
    settings: TrainerSettings,
    progress: Progress,
    stopping: Stopping = stopped_on_ray,
) -> list[Chosen]:
    """Returns what each fold fits. recipe: the one given, which a search does without.

    Raises TooLittleHistoryError where a fold's windows lack one kind, ClusterError, SearchFailedError.
    """
    if not settings.backtest.search and not asks_for_early_stopping(recipe):
        return [Chosen(recipe) for _ in folds]
    problems = [problem_of(fold, dataset, delay_days, settings) for fold in folds]
    if settings.backtest.search:
        choices = [
            _searched(fold, problem, settings, progress)
            for fold, problem in zip(folds, problems, strict=True)
        ]
    else:
        choices = stopping(recipe, problems, settings, progress)
    return [Chosen(choice.parameters, choice.text) for choice in choices]


def problem_of(fold: Fold, dataset: Dataset, delay_days: float, settings: TrainerSettings) -> Problem:
    """Returns what `train` would search on if it stood at the start of a fold's test."""
    split = cut(dataset.event_time_us, fold.test_start_us, settings.split, delay_days)
    columns = np.flatnonzero(informative(dataset.features.take(split.train)))
    training = training_rows(dataset, split.train, columns, split.select_start_us, split.train_end_us)
    select = judging_rows(dataset, split.select, columns, fold.test_start_us)
    for name, label in (("training", training.label), ("selection", select.label)):
        frauds = int(label.sum())
        if frauds in (0, len(label)):
            raise TooLittleHistoryError(
                f"the {name} window of the fold tested from {iso(fold.test_start_us)} has {len(label):,} "
                f"transactions of which {frauds:,} are known frauds; both kinds are needed to choose: widen "
                "split.select_days, choose later starts, or give a recipe with a number of rounds"
            )
    return problem_of_window(training, select, dataset.account[split.select], settings.search)


def _searched(fold: Fold, problem: Problem, settings: TrainerSettings, progress: Progress) -> Choice:
    progress.note(f"Searching for the fold tested from {fold.test_start}")
    found = search(problem, settings.search, settings.ray, settings.work, progress)
    choice = found.choice(settings.search.standard_errors)
    progress.note(f"Chosen: {choice.text}")
    return choice
