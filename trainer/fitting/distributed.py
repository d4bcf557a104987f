"""Training on more data than one machine's memory holds: features as Parquet parts, XGBoost on Ray Train.

No process has the whole matrix. Shards of the replay are cut by row into blocks, which stay in the object
stores of the nodes until a task puts one block together and writes it; each worker of Ray Train reads its
share of the parts, one at a time, into a quantile matrix, and XGBoost merges the workers' histograms.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from kuntur.features import CATALOGUE, FEATURE_NAMES, FeatureMatrix
from kuntur.time_zone import TimeZone
from kuntur.transaction import OutcomeBatch, TransactionBatch
from trainer.cluster.connection import ClusterError
from trainer.dataset.shards import History, Shard, columns_of, history, replay_shard, shard_rows, shards
from trainer.models.gradient_boosting import BoostedTrees, booster_settings
from trainer.models.recipe import Recipe, Value

TIME, LABEL = "event_time_us", "is_fraud"
BLOCK_ROWS = 250_000  # of a part, about 150 MB while it is put together
_COMPLETE = "parts.json"  # written when all parts are: how many they are


class DistributedError(ValueError):
    """What cannot be fitted from these parts, and why."""


def shard_blocks(whole: History, shard: Shard, block_rows: int) -> list[FeatureMatrix] | FeatureMatrix:
    """Returns what `replay_shard` gives, cut where the blocks of the history end; runs in a worker of Ray.

    Of a history of one block it is not a list, as Ray wants it of a task with one result.
    """
    part = replay_shard(whole, shard)
    ends = np.arange(block_rows, len(whole.hours), block_rows)
    blocks = np.split(part, np.searchsorted(shard_rows(whole.batch.keys, shard), ends))
    return blocks if len(blocks) > 1 else part


def write_block(
    path: Path, whole: History, label: npt.NDArray[np.bool_], rows: slice, cut: tuple[Shard, ...], *parts: Any
) -> None:
    """Puts one block of rows together from what the shards gave for it, and writes it; runs in a worker."""
    matrix = np.empty((rows.stop - rows.start, len(CATALOGUE)), dtype=np.float32)
    for shard, part in zip(cut, parts, strict=True):
        theirs = shard_rows(whole.batch.keys, shard)
        within = theirs[slice(*np.searchsorted(theirs, [rows.start, rows.stop]))] - rows.start
        matrix[np.ix_(within, np.arange(len(CATALOGUE))[columns_of(shard.kind)])] = part
    frame = pl.DataFrame(matrix, schema=list(FEATURE_NAMES), orient="row")
    times = whole.batch.ints[rows, 0]
    frame.insert_column(0, pl.Series(LABEL, label[rows])).insert_column(0, pl.Series(TIME, times))
    unfinished = path.with_suffix(".unfinished")
    frame.write_parquet(unfinished)
    unfinished.rename(path)


def write_parts(
    batch: TransactionBatch,
    outcomes: OutcomeBatch,
    label: npt.NDArray[np.bool_],
    directory: Path,
    progress: Callable[[int], None],
    block_rows: int = BLOCK_ROWS,
    zone: TimeZone | None = None,
) -> int:
    """Replays a history on the Ray that is connected and writes its features; returns how many parts.

    batch, outcomes, zone: as for `FeatureEngine` and its `replay`; label: bool [n]; directory: empty, on
    storage that all nodes share. A part has the columns TIME, LABEL and the catalogue's. Raises ClusterError
    and DistributedError.
    """
    import ray

    directory.mkdir(parents=True, exist_ok=True)
    if any(directory.iterdir()):
        raise DistributedError(f"{directory} is not empty: give a new directory for the parts")
    starts = range(0, len(batch), block_rows)
    cut = shards(len(batch), max(1, int(ray.cluster_resources().get("CPU", 1))))
    plain = TransactionBatch(batch.keys, batch.ints, batch.floats, {})
    whole, labels = ray.put(history(plain, outcomes, zone)), ray.put(label)
    replayed = ray.remote(num_cpus=1, num_returns=len(starts))(shard_blocks)
    written = ray.remote(num_cpus=1)(write_block)
    given = [replayed.remote(whole, shard, block_rows) for shard in cut]
    blocks = [of_shard if isinstance(of_shard, list) else [of_shard] for of_shard in given]
    try:
        waiting = [
            written.remote(
                directory.resolve() / f"part-{number:05}.parquet",
                whole,
                labels,
                slice(start, min(start + block_rows, len(batch))),
                cut,
                *(of_shard[number] for of_shard in blocks),
            )
            for number, start in enumerate(starts)
        ]
        del blocks, given
        for number, reference in enumerate(waiting):
            ray.get(reference)
            progress(min((number + 1) * block_rows, len(batch)))
    except ray.exceptions.RayError as error:
        raise ClusterError(f"Ray could not write the features: {error}") from error
    note_complete(directory, len(starts))
    return len(starts)


def note_complete(directory: Path, count: int) -> None:
    """Notes that all parts are written: without that, nobody could tell that the last ones are missing."""
    unfinished = directory / f"{_COMPLETE}.unfinished"
    unfinished.write_text(json.dumps({"parts": count}))
    unfinished.rename(directory / _COMPLETE)


def _all_parts(directory: Path) -> list[Path]:
    """Returns the parts in order. Raises DistributedError unless all that were written are there."""
    parts = sorted(directory.glob("part-*.parquet"))
    if not parts:
        raise DistributedError(f"{directory} has no parts: write them with kuntur-trainer features")
    again = "write them again, to a new directory"
    try:
        count = int(json.loads((directory / _COMPLETE).read_text())["parts"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = (
            f"{directory} has no valid {_COMPLETE}: what wrote the {len(parts)} parts did not come to its end"
        )
        raise DistributedError(f"{message}; {again}") from error
    expected = [f"part-{number:05}.parquet" for number in range(count)]
    if wrong := sorted({part.name for part in parts} ^ set(expected)):
        message = f"{directory} should hold {count} parts and holds {len(parts)}, see {wrong[0]}"
        raise DistributedError(f"{message}; {again}")
    return parts


def _worker(config: dict[str, Any]) -> None:
    """Fits on this worker's share of the parts, together with the others; runs in a worker of Ray Train."""
    import ray.train
    import xgboost as xgb
    from ray.train.xgboost import RayTrainReportCallback

    context = ray.train.get_context()
    parts = [Path(part) for part in config["parts"]][context.get_world_rank() :: context.get_world_size()]
    matrix = xgb.QuantileDMatrix(
        _source(parts, config["until_us"], config["features"]),
        max_bin=config["settings"]["max_bin"],
        nthread=config["settings"]["nthread"],
    )
    booster = xgb.train(config["settings"], matrix, config["rounds"])
    # Only now: a report a round, as Ray's own callback makes it, waits two seconds for all workers.
    if context.get_world_rank() != 0:
        ray.train.report({})
        return
    with TemporaryDirectory() as folder:
        booster.save_model(Path(folder) / RayTrainReportCallback.CHECKPOINT_NAME)
        ray.train.report({}, checkpoint=ray.train.Checkpoint.from_directory(folder))


def _source(parts: list[Path], until_us: int, features: list[str]) -> Any:
    import xgboost as xgb

    class Parts(xgb.DataIter):  # type: ignore[misc]  # xgboost has no types
        def __init__(self) -> None:
            self._next = 0
            super().__init__()

        def next(self, input_data: Callable[..., None]) -> bool:
            if self._next == len(parts):
                return False
            rows = pl.scan_parquet(parts[self._next]).filter(pl.col(TIME) < until_us)
            frame = rows.select(LABEL, *features).collect()
            self._next += 1
            input_data(
                data=frame.select(features).to_numpy(order="c"),
                label=frame[LABEL].to_numpy().astype(np.float32),
            )
            return True

        def reset(self) -> None:
            self._next = 0

    return Parts()


def fit(
    directory: Path, recipe: Recipe, until_us: int, *, workers: int, threads: int, seed: int, work: Path
) -> BoostedTrees:
    """Fits XGBoost on the rows of parts before a moment, on so many workers of the connected Ray.

    The columns are the catalogue's. work: where Ray Train keeps its state, on storage that all nodes share.
    Raises ClusterError, and DistributedError for parts that are missing and for a recipe that needs more than
    the rows as they are.
    """
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.xgboost import RayTrainReportCallback, XGBoostTrainer

    parts = _all_parts(directory)
    _check(recipe.parameters, workers)
    kept = [
        part for part in parts if pl.scan_parquet(part).select(pl.col(TIME).min()).collect().item() < until_us
    ]
    if len(kept) < workers:
        raise DistributedError(
            f"{len(kept)} parts of {directory} have rows before the end of training, too few for {workers} "
            "workers: write smaller parts or take fewer workers"
        )
    trainer = XGBoostTrainer(
        _worker,
        train_loop_config={
            "parts": [str(part.resolve()) for part in kept],
            "until_us": until_us,
            "features": list(FEATURE_NAMES),
            "settings": booster_settings(recipe.parameters, threads, seed),
            "rounds": int(recipe.parameters["rounds"]),
        },
        scaling_config=ScalingConfig(num_workers=workers, resources_per_worker={"CPU": threads}),
        run_config=RunConfig(storage_path=str(work.resolve()), failure_config=FailureConfig(max_failures=2)),
    )
    try:
        result = trainer.fit()
    except RuntimeError as error:
        raise ClusterError(f"Ray Train could not fit: {error}") from error
    return BoostedTrees(RayTrainReportCallback.get_model(result.checkpoint))


def _check(parameters: Mapping[str, Value], workers: int) -> None:
    if parameters["algorithm"] != "xgboost":
        raise DistributedError(f"only xgboost is fitted on several nodes, not {parameters['algorithm']}")
    for name, plain in {"imbalance": "none", "history_days": 0, "columns": 0}.items():
        if parameters[name] != plain:
            raise DistributedError(
                f"{name} is {parameters[name]!r} in the recipe; on several nodes rows and columns are taken "
                f"as they are: set it to {plain!r}"
            )
    if workers < 1:
        raise DistributedError("a fit needs at least one worker")
