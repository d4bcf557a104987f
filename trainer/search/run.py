"""The search for settings: Ray Tune runs the trials; what proposes and what ends them are options.

With `cluster`, `trial` and the other modules named after it all that the search knows of Ray. Rows go to the
trials through the object store, once for all of them; a trial uses as many threads as it has cores and no
more.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trainer.cluster.connection import concurrent_trials, connected, require_cpus
from trainer.fitting.selection import ranked
from trainer.models import SearchSpace
from trainer.origin import library_versions
from trainer.progress import Progress
from trainer.search.problem import Problem
from trainer.search.result import FailedTrial, SearchResult, Trial
from trainer.search.trial import METRIC, curve_of, flat, run_trial
from trainer.settings.searching import RaySettings, SearchSettings

_FORMAT = 2  # of a search; raised where a change of the trainer makes a setting give another result
Ranking = npt.NDArray[np.intp]
# How often a trial that failed is run again: it may have gone down with its node, or for want of memory; more
# than once, as Ray may tell of a lost node twice: that its actor cannot be reached, then that it is gone.
_MORE_ATTEMPTS = 3
_NUMBERED = re.compile(r"/run_trial_[0-9a-z]+_(\d+)_[^/]*$")


class SearchFailedError(RuntimeError):
    """No trial gave a result."""


def _experiment_name(problem: Problem, settings: SearchSettings) -> str:
    """Names a search by what it looks for in what with what, so that only the very same search is resumed."""
    starts = space_of(problem, settings).starts()
    meant = [_FORMAT, library_versions(), settings.model_dump(mode="json"), starts, problem.digest()]
    digest = hashlib.sha256(json.dumps(meant, sort_keys=True).encode())
    return "search-" + digest.hexdigest()[:16]


def space_of(problem: Problem, settings: SearchSettings) -> SearchSpace:
    """Returns what there is to try: of history and columns only what the problem has."""
    columns = problem.features.shape[1]
    return SearchSpace(
        settings.algorithms,
        settings.max_rounds,
        settings.imbalance,
        tuple(days for days in settings.history_days if days < problem.days()) or (0,),
        tuple(count for count in settings.columns if count < columns) or (0,),
    )


def search(
    problem: Problem, settings: SearchSettings, ray_settings: RaySettings, work: Path, progress: Progress
) -> SearchResult:
    """Tries settings and returns all trials, the best first. Raises SearchFailedError, ClusterError.

    Trials that fail leave the others, and `progress` is told where their errors are. A search that was cut
    off goes on where it stopped when it is called with the same problem and settings, the same versions of
    the libraries and the same `work`.
    """
    name = _experiment_name(problem, settings)
    with connected(ray_settings), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        require_cpus(settings.cpus_per_trial)
        found = _tune(problem, name, settings, work, progress)
    if not found.trials:
        raise SearchFailedError(f"none of the trials gave a result; their errors are in {work / name}")
    failures = len(found.failed) + sum(trial.failed for trial in found.trials)
    if failures:
        progress.note(f"{failures} of {settings.trials} trials failed; the errors are in {work / name}")
    return found


def _rankings(problem: Problem, space: SearchSpace) -> tuple[Ranking | None, ...]:
    """Returns each fold's columns by importance, once for all trials; None if every trial takes them all."""
    starts = {int(point["columns"]) for point in space.starts()}
    if not any({*space.columns, *starts}):
        return tuple(None for _ in problem.folds)
    return tuple(ranked(problem.training(fold)) for fold in problem.folds)


def _tune(
    problem: Problem, name: str, settings: SearchSettings, work: Path, progress: Progress
) -> SearchResult:
    from ray import tune

    from trainer.search import methods as search_methods
    from trainer.search.progress import TrialProgress
    from trainer.search.snapshot import DamagedSnapshotError, SearchSnapshot

    space = space_of(problem, settings)
    trainable = tune.with_resources(
        tune.with_parameters(
            run_trial,
            problem=problem,
            rankings=_rankings(problem, space),
            cpus=settings.cpus_per_trial,
            seed=settings.seed,
        ),
        {"cpu": settings.cpus_per_trial},
    )
    storage = work.resolve()
    path = storage / name
    snapshot = SearchSnapshot(path)
    callbacks = [TrialProgress(progress, settings.trials), snapshot]
    try:
        restored = snapshot.restore()
    except DamagedSnapshotError as error:
        progress.note(f"Warning: {error}; the search starts from the beginning")
        restored = False
    if restored:
        progress.note(f"Going on with the search in {path}")
        tuner = _going_on(path, trainable, callbacks)
    else:
        shutil.rmtree(path, ignore_errors=True)  # of a search that was killed before anything was noted
        tuner = tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                metric=METRIC,
                mode="max",
                num_samples=settings.trials,
                # So Tune starts their processes together, not each when the one before has started.
                max_concurrent_trials=concurrent_trials(settings.cpus_per_trial),
                time_budget_s=settings.time_limit_s,
                reuse_actors=True,  # a new process imports for seconds before its trial starts
                search_alg=search_methods.searcher(settings, space, progress),
                scheduler=search_methods.scheduler(settings, len(problem.folds)),
            ),
            run_config=tune.RunConfig(
                name=name,
                storage_path=str(storage),
                verbose=0,
                callbacks=callbacks,
                failure_config=tune.FailureConfig(max_failures=_MORE_ATTEMPTS),
            ),
        )
    results = tuner.fit()
    for _ in range(_MORE_ATTEMPTS):
        if not _lost_with_a_node(results):
            break
        results = _going_on(path, trainable, callbacks).fit()
    return _gathered(results, len(problem.folds))


def _going_on(path: Path, trainable: Any, callbacks: list[Any]) -> Any:
    """Returns what goes on with a search that lies at a path, and tries again what failed there."""
    from ray import tune

    tuner = tune.Tuner.restore(str(path), trainable=trainable, resume_errored=True, restart_errored=False)
    tuner._local_tuner.get_run_config().callbacks = callbacks  # restore takes none
    return tuner


def _lost_with_a_node(results: Iterable[Any]) -> bool:
    """Tells whether a trial failed with the process that ran it, and not by itself.

    Tune runs such a one again, but gives it up when it is told of the loss twice before that has begun.
    """
    from ray.exceptions import RayActorError

    return any(isinstance(result.error, RayActorError) for result in results)


def _gathered(results: Iterable[Any], folds: int) -> SearchResult:
    trials, failed = [], []
    for number, result in enumerate(sorted(results, key=_place), start=1):
        if result.metrics and METRIC in result.metrics:
            trials.append(_as_trial(result, folds, number))
        elif result.error is not None:
            failed.append(FailedTrial(flat(result.config), number))
    # A trial that was ended after some of the folds has the mean of these: no match for that of all.
    trials.sort(key=lambda trial: (-len(trial.folds), -trial.average_precision))
    return SearchResult(tuple(trials), tuple(failed))


def _place(result: Any) -> tuple[int, str]:
    """Returns a trial's place in the order of starting, which stands in the name of its directory.

    A search that goes on gives its trials in another order.
    """
    path = str(result.path)
    number = _NUMBERED.search(path)
    return int(number[1]) if number else 0, path


def _as_trial(result: Any, folds: int, number: int) -> Trial:
    from trainer.search.methods import reports

    parameters, metrics = flat(result.config), result.metrics
    wanted = reports(int(parameters.get("rounds", 1))) if folds == 1 else folds
    return Trial(
        parameters=parameters,
        average_precision=float(metrics[METRIC]),
        rounds=int(metrics["rounds"]),
        seconds=float(metrics.get("time_total_s", 0.0)),
        finished=int(metrics["training_iteration"]) >= wanted,
        failed=result.error is not None,
        folds=tuple(metrics["folds"]),
        curve=curve_of(metrics),
        number=number,
    )
