"""How a search proposes settings and when it ends a trial: one option each, all as Ray Tune's own parts."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, MedianStoppingRule
from ray.tune.search import Searcher

from trainer.models import SearchSpace
from trainer.models.gradient_boosting import REPORT_ROUNDS
from trainer.progress import Progress
from trainer.search.trial import METRIC
from trainer.settings.searching import SearchSettings

# Reports before a trial may be ended, 180 rounds: at 60, learning rates that are best after 400 lag behind.
_GRACE_REPORTS = 9
_STARTUP_TRIALS = 6  # random proposals before TPE has something to go by
_NEVER = 1 << 60
_OTHERS = 3  # trials that must have come as far before a median means something


class Listed(Searcher):  # type: ignore[misc]  # ray has no types
    """Proposes settings of a list in its order: what needs no result to go by can be written down before."""

    def __init__(self, points: list[dict[str, Any]]) -> None:
        super().__init__(metric=METRIC, mode="max")
        self._points = points
        self._proposed = 0

    def suggest(self, trial_id: str) -> dict[str, Any] | str:
        """Returns the next of the list, or that there is none."""
        del trial_id
        if self._proposed >= len(self._points):
            return str(Searcher.FINISHED)
        self._proposed += 1
        return dict(self._points[self._proposed - 1])

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Learns nothing from it."""

    def save(self, checkpoint_path: str) -> None:
        """Writes down how far the list was proposed, and the list."""
        Path(checkpoint_path).write_text(json.dumps([self._proposed, self._points]), encoding="utf-8")

    def restore(self, checkpoint_path: str) -> None:
        """Goes on where an earlier run stopped."""
        self._proposed, self._points = json.loads(Path(checkpoint_path).read_text(encoding="utf-8"))


def searcher(settings: SearchSettings, space: SearchSpace, progress: Progress) -> Any:
    """Returns what proposes settings, the usual ones first; the same seed proposes the same."""
    starts = space.starts()[: settings.trials]
    match settings.method:
        case "tpe":
            return _tpe(settings, space, starts)
        case "hyperopt":
            return _hyperopt(settings, space, starts)
        case "random":
            return Listed(random_points(settings, space))
        case "grid":
            return Listed(grid_points(settings, space, progress))


def random_points(settings: SearchSettings, space: SearchSpace) -> list[dict[str, Any]]:
    """Returns the usual settings and then draws, as many as there are trials."""
    chance = np.random.default_rng(settings.seed)
    starts = space.starts()
    return [*starts, *(space.draw(chance) for _ in range(settings.trials - len(starts)))][: settings.trials]


def grid_points(settings: SearchSettings, space: SearchSpace, progress: Progress) -> list[dict[str, Any]]:
    """Returns the usual settings and then the grid, drawn from where it has more points than trials."""
    starts = space.starts()[: settings.trials]
    others = [point for point in space.grid() if point not in starts]
    left = settings.trials - len(starts)
    if len(others) > left:
        progress.note(
            f"The grid has {len(starts) + len(others):,} points; {settings.trials} of them are tried, drawn "
            "by search.seed. Raise search.trials to try them all, or narrow search.algorithms, "
            "search.imbalance, search.history_days or search.columns"
        )
        drawn = np.random.default_rng(settings.seed).choice(len(others), size=left, replace=False)
        others = [others[place] for place in np.sort(drawn)]
    return starts + others


def _tpe(settings: SearchSettings, space: SearchSpace, starts: list[dict[str, Any]]) -> Any:
    import optuna
    from ray.tune.search.optuna import OptunaSearch

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return OptunaSearch(
        space=space,
        points_to_evaluate=starts,
        metric=METRIC,
        mode="max",
        sampler=optuna.samplers.TPESampler(
            seed=settings.seed, n_startup_trials=_STARTUP_TRIALS, multivariate=True, group=True
        ),
    )


def _hyperopt(settings: SearchSettings, space: SearchSpace, starts: list[dict[str, Any]]) -> Any:
    from ray.tune.search.hyperopt import HyperOptSearch

    found = HyperOptSearch(
        space={"setting": space.hyperopt()},
        points_to_evaluate=[space.hyperopt_point(point) for point in starts],
        metric=METRIC,
        mode="max",
        n_initial_points=_STARTUP_TRIALS,
        random_state_seed=settings.seed,
    )
    # Hyperopt takes a point to begin with for one of a space without conditions: that the settings of the
    # other families play no part in it must be said of each, or its first own proposal fails.
    for document in found._hpopt_trials.trials:
        for label in found.domain.params:
            document["misc"]["idxs"].setdefault(label, [])
            document["misc"]["vals"].setdefault(label, [])
    return found


def scheduler(settings: SearchSettings, folds: int) -> Any:
    """Returns what ends a trial that does worse than others that came as far.

    asha: not in the best third of them; median: below their median; none: nothing. With several folds a trial
    reports after each, and the first may be its last.
    """
    most = reports(settings.max_rounds) if folds == 1 else folds
    grace = min(_GRACE_REPORTS, most) if folds == 1 else 1
    if settings.scheduler == "asha":
        return ASHAScheduler(
            time_attr="training_iteration", max_t=most, grace_period=grace, reduction_factor=3
        )
    if settings.scheduler == "median":
        return MedianStoppingRule(
            time_attr="training_iteration",
            grace_period=grace,
            min_samples_required=_OTHERS,
            min_time_slice=_NEVER,  # a trial that pauses for others would begin anew
        )
    return FIFOScheduler()


def reports(rounds: int) -> int:
    """Returns how often a trial of one fold reports that runs to its end."""
    return max(math.ceil(rounds / REPORT_ROUNDS), 1)
