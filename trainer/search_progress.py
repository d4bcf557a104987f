"""What Ray Tune tells of its trials, as progress a person can follow."""

from __future__ import annotations

from typing import Any

from ray.tune import Callback

from trainer.progress import Progress, Silent
from trainer.trial import flat


class TrialProgress(Callback):  # type: ignore[misc]  # ray has no types
    """Counts trials and keeps the best result so far."""

    def __init__(self, progress: Progress, trials: int) -> None:
        self._progress = progress
        self._trials = trials
        self._ended: set[str] = set()
        self._best = -1.0
        self._best_name = ""

    def __getstate__(self) -> dict[str, Any]:
        """Leaves the terminal out: Ray writes callbacks down with the search, for a later run to go on."""
        return self.__dict__ | {"_progress": Silent()}

    def get_state(self) -> dict[str, Any]:
        """Gives what a later run needs to go on counting; Ray keeps it with the search."""
        return {"ended": sorted(self._ended), "best": self._best, "best_name": self._best_name}

    def set_state(self, state: dict[str, Any]) -> None:
        """Goes on counting where an earlier run stopped."""
        self._ended = set(state["ended"])
        self._best, self._best_name = state["best"], state["best_name"]

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Takes a report of a running trial."""
        del iteration, trials, info
        score = float(result.get("average_precision", -1.0))
        if score > self._best:
            self._best, self._best_name = score, str(flat(trial.config).get("algorithm", ""))
            self._show()

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Takes the end of a trial."""
        del iteration, info
        self._end(trial, trials)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Takes the failure of a trial."""
        del iteration, info
        self._end(trial, trials)

    def _end(self, trial: Any, trials: list[Any]) -> None:
        # Those too that were over before this run: what it was told of them may have gone with a killed one.
        self._ended |= {str(one.trial_id) for one in trials if one.is_finished()} | {str(trial.trial_id)}
        self._show()

    def _show(self) -> None:
        best = f"best AP {self._best:.4f} ({self._best_name})" if self._best >= 0 else ""
        self._progress.step("Searching", len(self._ended), self._trials, best)
