"""The search for settings: Ray Tune runs the trials, Optuna's TPE proposes them, ASHA ends the hopeless.

With `cluster` and `search_progress` the only module of the trainer that knows Ray. Rows go to the trials
through the object store, once for all of them; a trial uses as many threads as it has cores and no more.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trainer import evaluate
from trainer.cluster import connected, require_cpus
from trainer.config import RaySettings, SearchSettings
from trainer.fit import fit
from trainer.models import SearchSpace
from trainer.models.gradient_boosting import REPORT_ROUNDS
from trainer.progress import Progress
from trainer.rows import TrainingRows

METRIC = "average_precision"
# Reports before ASHA may end a trial, 180 rounds: at 60, learning rates that are best after 400 lag behind.
_GRACE_REPORTS = 9
_FORMAT = 1  # of a search; raised where a change of the trainer makes a setting give another result
_STARTUP_TRIALS = 6  # random proposals before TPE has something to go by


@dataclass(frozen=True, slots=True)
class Trial:
    """One setting that was tried: what it was, how good it got and after how many rounds.

    finished: whether it ran to its end, rather than being cut short as hopeless or for want of time, or
    failing; failed: whether an error ended it, after the result that it has.
    """

    parameters: dict[str, Any]
    average_precision: float
    rounds: int
    seconds: float
    finished: bool
    failed: bool = False


@dataclass(frozen=True, slots=True)
class SearchResult:
    """All trials, the best first; failed: the parameters of those that an error ended before any result."""

    trials: tuple[Trial, ...]
    failed: tuple[dict[str, Any], ...] = ()

    @property
    def best(self) -> Trial:
        """The best trial."""
        return self.trials[0]


class SearchFailedError(RuntimeError):
    """No trial gave a result."""


def run_trial(parameters: dict[str, Any], rows: dict[str, npt.NDArray[Any]], cpus: int, seed: int) -> None:
    """Fits one setting and reports its average precision; runs in a worker of Ray."""
    from ray import tune

    training = TrainingRows(rows["features"], rows["label"], rows["weight"], rows["age_days"])
    judge, truth = rows["judge_features"], rows["judge_label"]
    best = {METRIC: -1.0, "rounds": 0}

    def report(rounds: int, margin: npt.NDArray[np.float32]) -> bool:
        score = evaluate.average_precision(truth, margin)
        if score > best[METRIC]:
            best.update({METRIC: score, "rounds": rounds})
        tune.report(dict(best))
        return True

    model = fit(training, parameters, threads=cpus, seed=seed, judge=judge, on_round=report)
    if best["rounds"] == 0:  # a family without rounds, or fewer rounds than lie between two reports
        report(int(parameters.get("rounds", 1)), model.margin(judge))


def _experiment_name(rows: dict[str, npt.NDArray[Any]], settings: SearchSettings) -> str:
    """Names a search by what it looks for in what with what, so that only the very same search is resumed."""
    # Imported here because it compiles features, for which every process of a search would wait.
    from trainer.publish import library_versions

    meant = [_FORMAT, library_versions(), settings.model_dump(mode="json")]
    digest = hashlib.sha256(json.dumps(meant, sort_keys=True).encode())
    for name in sorted(rows):
        digest.update(f"{name}{rows[name].shape}".encode())
        digest.update(np.ascontiguousarray(rows[name]).data)
    return "search-" + digest.hexdigest()[:16]


def search(
    training: TrainingRows,
    judge_features: npt.NDArray[np.float32],
    judge_label: npt.NDArray[np.bool_],
    settings: SearchSettings,
    ray_settings: RaySettings,
    work: Path,
    progress: Progress,
) -> SearchResult:
    """Tries settings and gives all trials, the best first. Raises SearchFailedError, ClusterError.

    Trials that fail leave the others, and `progress` is told where their errors are.
    training: rows to learn from, already thinned; judge_features: float32 [m, columns], judge_label: bool
    [m]: rows to judge by. A search that was cut off goes on where it stopped when it is called with the
    same rows and settings, the same versions of the libraries and the same `work`.
    """
    rows = {
        "features": training.features,
        "label": training.label,
        "weight": training.weight,
        "age_days": training.age_days,
        "judge_features": judge_features,
        "judge_label": judge_label,
    }
    name = _experiment_name(rows, settings)
    with connected(ray_settings), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        require_cpus(settings.cpus_per_trial)
        found = _tune(rows, name, settings, work, progress)
    if not found.trials:
        raise SearchFailedError(f"none of the trials gave a result; their errors are in {work / name}")
    failures = len(found.failed) + sum(trial.failed for trial in found.trials)
    if failures:
        progress.note(f"{failures} of {settings.trials} trials failed; the errors are in {work / name}")
    return found


def _tune(
    rows: dict[str, npt.NDArray[Any]], name: str, settings: SearchSettings, work: Path, progress: Progress
) -> SearchResult:
    import optuna
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    from trainer.search_progress import TrialProgress

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    trainable = tune.with_resources(
        tune.with_parameters(run_trial, rows=rows, cpus=settings.cpus_per_trial, seed=settings.seed),
        {"cpu": settings.cpus_per_trial},
    )
    storage = work.resolve()
    watcher = TrialProgress(progress, settings.trials)
    path = storage / name
    if tune.Tuner.can_restore(path):
        progress.note(f"Going on with the search in {path}")
        tuner = tune.Tuner.restore(str(path), trainable=trainable, resume_errored=True, restart_errored=False)
        tuner._local_tuner.get_run_config().callbacks = [watcher]  # restore takes no callbacks
    else:
        space = SearchSpace(settings.algorithms, settings.max_rounds)
        tuner = tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                metric=METRIC,
                mode="max",
                num_samples=settings.trials,
                time_budget_s=settings.time_limit_s,
                reuse_actors=True,  # a new process imports for seconds before its trial starts
                search_alg=OptunaSearch(
                    space=space,
                    points_to_evaluate=space.starts()[: settings.trials],
                    metric=METRIC,
                    mode="max",
                    sampler=optuna.samplers.TPESampler(
                        seed=settings.seed, n_startup_trials=_STARTUP_TRIALS, multivariate=True, group=True
                    ),
                ),
                scheduler=_scheduler(settings.max_rounds),
            ),
            run_config=tune.RunConfig(name=name, storage_path=str(storage), verbose=0, callbacks=[watcher]),
        )
    return _gathered(tuner.fit())


def _gathered(results: Iterable[Any]) -> SearchResult:
    trials, failed = [], []
    for result in results:
        if result.metrics and METRIC in result.metrics:
            trials.append(_as_trial(result))
        elif result.error is not None:
            failed.append(_parameters(result))
    return SearchResult(tuple(sorted(trials, key=lambda trial: -trial.average_precision)), tuple(failed))


def _parameters(result: Any) -> dict[str, Any]:
    return {name: value for name, value in result.config.items() if not isinstance(value, dict)}


def _scheduler(max_rounds: int) -> Any:
    """Gives what ends a trial that is not in the best third of those that came as far."""
    from ray.tune.schedulers import ASHAScheduler

    rungs = _reports(max_rounds)
    return ASHAScheduler(
        time_attr="training_iteration",
        max_t=rungs,
        grace_period=min(_GRACE_REPORTS, rungs),
        reduction_factor=3,
    )


def _reports(rounds: int) -> int:
    """Gives how often a trial reports that runs to its end."""
    return max(rounds // REPORT_ROUNDS, 1)


def _as_trial(result: Any) -> Trial:
    return Trial(
        parameters=_parameters(result),
        average_precision=float(result.metrics[METRIC]),
        rounds=int(result.metrics["rounds"]),
        seconds=float(result.metrics.get("time_total_s", 0.0)),
        finished=int(result.metrics["training_iteration"]) >= _reports(int(result.config.get("rounds", 1))),
        failed=result.error is not None,
    )


def trials_as_json(result: SearchResult) -> bytes:
    """Gives all trials as a document for the bundle, those that failed without a result at the end."""
    trials: list[dict[str, Any]] = [asdict(trial) for trial in result.trials]
    trials += [{"parameters": parameters, "failed": True} for parameters in result.failed]
    return (json.dumps(trials, indent=1) + "\n").encode()
