"""A fit by workers of Ray Train: each reads its share into bins, and XGBoost merges their histograms.

No process has the whole matrix, the driver none of it. What one worker fits is, to the byte, what this
process would fit of the same parts with as many threads; with several the bins come of merged sketches and
the sums in another order, so that the model is another one of the same quality.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from trainer.cluster.connection import ClusterError
from trainer.dataset.features import Features
from trainer.dataset.rows import TrainingRows
from trainer.fitting.limits import needed_bytes
from trainer.models import Parameters
from trainer.models.blocks import quantile_matrix
from trainer.models.gradient_boosting import BoostedTrees, bins_of, booster_settings
from trainer.settings.fitting import FitSettings


@dataclass(frozen=True, slots=True)
class Sharing:
    """How the work is shared: workers, threads of each, and the memory that the bins may take in one."""

    workers: int
    threads: int
    worker_bytes: int

    @classmethod
    def of(cls, rows: TrainingRows, settings: FitSettings) -> Sharing:
        """Returns what the settings ask for on the Ray that is connected."""
        import ray

        cores = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
        working = [count for count in cores if count] or [1]
        wanted = settings.workers
        if wanted is None:
            needed = needed_bytes(len(rows), rows.columns)
            wanted = min(len(working), math.ceil(needed / settings.worker_bytes))
        workers = max(1, min(wanted, len(np.unique(part_numbers(rows)))))
        return cls(workers, settings.threads or min(working), settings.worker_bytes)


def part_numbers(rows: TrainingRows) -> npt.NDArray[np.intp]:
    """Returns which part each row is in, intp [n]; 0 for all of a matrix."""
    if not isinstance(rows.held, Features):
        return np.zeros(len(rows), dtype=np.intp)
    ends = np.cumsum([len(part) for part in rows.held.parts])
    return np.searchsorted(ends, rows.held.rows, side="right").astype(np.intp)


def share_of(rows: TrainingRows, rank: int, workers: int) -> TrainingRows:
    """Returns the rows of a worker's parts: in turn, so that all have rows of all times."""
    parts = part_numbers(rows)
    _, turn = np.unique(parts, return_inverse=True)
    return rows.take(turn % workers == rank)


def fit_shared(
    rows: TrainingRows, parameters: Parameters, sharing: Sharing, *, seed: int, work: Path
) -> BoostedTrees:
    """Fits XGBoost on rows in parts that all workers of the connected Ray can read.

    work: where Ray Train keeps its state, on storage that all nodes share. A worker that is lost is replaced
    and the fit done again. Raises ClusterError.
    """
    import ray
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.xgboost import RayTrainReportCallback, XGBoostTrainer

    work.mkdir(parents=True, exist_ok=True)
    trainer = XGBoostTrainer(
        _work,
        train_loop_config={
            "rows": ray.put(rows),
            "settings": booster_settings(parameters, sharing.threads, seed),
            "bins": bins_of(parameters),
            "rounds": int(parameters["rounds"] or 0),
            "sharing": sharing,
        },
        scaling_config=ScalingConfig(
            num_workers=sharing.workers, resources_per_worker={"CPU": sharing.threads}
        ),
        run_config=RunConfig(storage_path=str(work.resolve()), failure_config=FailureConfig(max_failures=2)),
    )
    try:
        result = trainer.fit()
    except RuntimeError as error:
        raise ClusterError(f"Ray Train could not fit: {error}") from error
    return BoostedTrees(RayTrainReportCallback.get_model(result.checkpoint))


def _work(config: dict[str, Any]) -> None:
    """Fits on this worker's share, together with the others; runs in a worker of Ray Train."""
    import ray
    import ray.train
    import xgboost as xgb
    from ray.train.xgboost import RayTrainReportCallback

    context, sharing = ray.train.get_context(), config["sharing"]
    mine = share_of(ray.get(config["rows"]), context.get_world_rank(), context.get_world_size())
    with TemporaryDirectory(prefix="kuntur-fit-") as folder:
        spill = needed_bytes(len(mine), mine.columns) > sharing.worker_bytes
        matrix = quantile_matrix(mine, config["bins"], sharing.threads, Path(folder) if spill else None)
        booster = xgb.train(config["settings"], matrix, config["rounds"])
        # Only now: a report a round, as Ray's own callback makes it, waits two seconds for all workers.
        if context.get_world_rank() != 0:
            ray.train.report({})
            return
        kept = Path(folder) / "model"
        kept.mkdir()
        booster.save_model(kept / RayTrainReportCallback.CHECKPOINT_NAME)
        ray.train.report({}, checkpoint=ray.train.Checkpoint.from_directory(kept))
