"""What Ray Tune tells of its trials, as progress a person can follow."""

from __future__ import annotations

from typing import Any

from ray.tune import Callback

from trainer.progress import Progress, Silent
from trainer.search.trial import METRIC, flat


class TrialProgress(Callback):  # type: ignore[misc]  # ray has no types
    """Tells how many trials are over and the best result so far, both from Tune's list of trials.

    So it tells the same in a search that goes on where a killed one stopped.
    """

    def __init__(self, progress: Progress, trials: int) -> None:
        self._progress = progress
        self._trials = trials

    def __getstate__(self) -> dict[str, Any]:
        """Leaves the terminal out: Ray writes callbacks down with the search, for a later run to go on."""
        return self.__dict__ | {"_progress": Silent()}

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Takes a report of a running trial, which the trial itself does not know of yet."""
        del iteration, info
        found = _scored(result, trial)
        if found[0] > _best(trials)[0]:
            self._show([one for one in trials if one.is_finished()], found)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Takes the end of a trial, which the trial itself does not know of yet."""
        del iteration, info
        self._show([one for one in trials if one.is_finished() or one is trial], _best(trials))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Takes the failure of a trial."""
        self.on_trial_complete(iteration, trials, trial, **info)

    def _show(self, ended: list[Any], best: tuple[float, str]) -> None:
        score, name = best
        detail = f"best AP {score:.4f} ({name})" if score >= 0 else ""
        self._progress.step("Searching", len(ended), self._trials, detail)


def _best(trials: list[Any]) -> tuple[float, str]:
    return max((_scored(trial.last_result or {}, trial) for trial in trials), default=(-1.0, ""))


def _scored(result: dict[str, Any], trial: Any) -> tuple[float, str]:
    """Returns the average precision, -1 before any, and the family that reached it."""
    return float(result.get(METRIC, -1.0)), str(flat(trial.config).get("algorithm", ""))
