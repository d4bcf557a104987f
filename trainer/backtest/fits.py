"""The fits of a backtest as tasks of Ray: rows go to the workers once, margins come back.

Which worker carries a task out does not show in what it gives: each has the same threads and the same seed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from trainer.backtest.contenders import ON_RAW_COLUMNS, learnt_margin
from trainer.cluster.connection import ClusterError, connected, require_cpus
from trainer.dataset.rows import TrainingRows
from trainer.models import Parameters
from trainer.progress import Progress
from trainer.settings.judging import BacktestSettings
from trainer.settings.searching import RaySettings

_DAY_US = 86_400_000_000
Arrays = Mapping[str, npt.NDArray[Any]]
Fitting = Callable[
    ["Sequence[Fit]", Arrays, BacktestSettings, RaySettings, Progress],
    list[npt.NDArray[np.float32]],
]


@dataclass(frozen=True, slots=True)
class Fit:
    """One fit and what it is to score.

    contender: its name; start, end: rows to learn from; end_us: moment at which they end; label: bool
    [end - start], as known when the fold is tested; judged: int64, numbers of the rows to score; recipe: what
    is fitted where the contender is the recipe.
    """

    contender: str
    start: int
    end: int
    end_us: int
    label: npt.NDArray[np.bool_]
    judged: npt.NDArray[np.int64]
    recipe: Parameters = field(default_factory=dict)

    @property
    def inputs(self) -> str:
        """Names the matrix that it learns from."""
        return "raw" if self.contender in ON_RAW_COLUMNS else "features"


def margins(
    fits: Sequence[Fit],
    rows: Arrays,
    settings: BacktestSettings,
    ray_settings: RaySettings,
    progress: Progress,
) -> list[npt.NDArray[np.float32]]:
    """Carries fits out and returns the margins of each in the order of the fits. Raises ClusterError.

    rows: `features` and `raw`, float32 [n, columns], and `event_time_us`, int64 [n]. The longest fits begin
    first, so that the last worker is not left alone with one.
    """
    if not fits:
        return []
    import ray
    from ray.exceptions import RayError, RayTaskError

    found: dict[int, npt.NDArray[np.float32]] = {}
    with connected(ray_settings):
        require_cpus(settings.cpus_per_fit)
        shared = {name: ray.put(values) for name, values in rows.items()}
        task = ray.remote(num_cpus=settings.cpus_per_fit)(carried_out)
        pending = {}
        for place in sorted(range(len(fits)), key=lambda place: _cost(fits[place]), reverse=True):
            fit = fits[place]
            inputs = shared[fit.inputs]
            reference = task.remote(
                fit, inputs, shared["event_time_us"], settings.cpus_per_fit, settings.seed
            )
            pending[reference] = place
        try:
            while pending:
                progress.step("Fitting", len(found), len(fits))
                ready, _ = ray.wait(list(pending), num_returns=1)
                for reference in ready:
                    found[pending.pop(reference)] = ray.get(reference)
        except RayTaskError as error:
            raise error.as_instanceof_cause() from error
        except RayError as error:
            raise ClusterError(f"a fit of the backtest was lost: {error}") from error
    progress.step("Fitting", len(fits), len(fits))
    return [found[place] for place in range(len(fits))]


def _cost(fit: Fit) -> tuple[bool, int]:
    return fit.contender not in ON_RAW_COLUMNS, fit.end - fit.start


def carried_out(
    fit: Fit,
    inputs: npt.NDArray[np.float32],
    event_time_us: npt.NDArray[np.int64],
    threads: int,
    seed: int,
) -> npt.NDArray[np.float32]:
    """Carries one fit out, in a worker of Ray, and returns the margins of the rows that it is to score.

    inputs: float32 [n, columns], of all rows, in memory that the workers share; event_time_us: int64 [n].
    """
    learnt = slice(fit.start, fit.end)
    rows = TrainingRows(
        inputs[learnt],
        fit.label.astype(np.float32),
        np.ones(len(fit.label), dtype=np.float32),
        ((fit.end_us - event_time_us[learnt]) / _DAY_US).astype(np.float32),
    )
    return learnt_margin(fit.contender, fit.recipe, rows, inputs[fit.judged], threads, seed)
