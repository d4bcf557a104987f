"""`python -m bench.costs.search_speed`: trials a minute of the same search with one worker and with two.

Both searches are of one run, on generated transactions: the same settings drawn beforehand, the same rounds,
one thread a trial, none cut short. Starting Ray is not in the times; starting the workers is.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

from kuntur.features import FeatureEngine
from kuntur.hash_key import DEFAULT_HASH_KEY, secret_from_hex
from kuntur.tables import to_batch
from trainer.dataset.rows import TrainingRows
from trainer.progress import Silent
from trainer.search.problem import Problem
from trainer.search.run import search
from trainer.settings.searching import RaySettings, SearchSettings
from trainer.synthetic import SyntheticConfig, generate

_SEED = 11
_OBJECT_STORE_BYTES = 512 << 20
_console = Console()


def _problem(rows: int) -> Problem:
    """Makes transactions and features; the last fifth judges."""
    frame = generate(SyntheticConfig(seed=_SEED, transactions=rows, accounts=rows // 50, days=90))
    features = FeatureEngine().process(to_batch(frame, secret_from_hex(DEFAULT_HASH_KEY)))
    label = frame["is_fraud"].to_numpy()
    cut = rows * 4 // 5
    age_days = np.linspace(72, 0, cut, dtype=np.float32)
    training = TrainingRows(
        features[:cut], label[:cut].astype(np.float32), np.ones(cut, dtype=np.float32), age_days
    )
    return Problem.of_window(training, features[cut:], label[cut:], np.arange(rows - cut, dtype=np.int64))


def _seconds(problem: Problem, settings: SearchSettings, workers: int) -> tuple[float, list[float]]:
    """Returns the time of a search on so many workers, and what its trials reached, best first."""
    import ray

    work = Path(tempfile.mkdtemp(prefix="search-speed-"))
    ray.init(
        address="local",
        num_cpus=workers,
        include_dashboard=False,
        object_store_memory=_OBJECT_STORE_BYTES,
        log_to_driver=False,
        logging_level="ERROR",
    )
    try:
        began = time.perf_counter()
        found = search(problem, settings, RaySettings(), work, Silent())
        seconds = time.perf_counter() - began
    finally:
        ray.shutdown()
        shutil.rmtree(work, ignore_errors=True)
    if len(found.trials) < settings.trials:
        sys.exit(f"bench stopped: {settings.trials - len(found.trials)} trials failed")
    return seconds, [trial.average_precision for trial in found.trials]


def main(
    trials: Annotated[int, typer.Option(help="Trials of each search.")] = 24,
    rows: Annotated[int, typer.Option(help="Transactions.")] = 60_000,
    rounds: Annotated[int, typer.Option(help="Boosting rounds of a trial.")] = 100,
    output: Annotated[Path, typer.Option(help="Where to write the figures.")] = Path(
        "bench/results/search_speed.json"
    ),
) -> None:
    """Measures, prints and writes trials a minute and their ratio."""
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("the speed of two workers needs two cores")
    settings = SearchSettings(
        trials=trials,
        method="random",
        scheduler="none",
        algorithms=("xgboost",),
        imbalance=("none",),
        history_days=(0,),
        columns=(0,),
        max_rounds=rounds,
        max_rows=rows,
        cpus_per_trial=1,
    )
    problem = _problem(rows)
    figures: dict[str, float] = {"trials": trials, "rows": rows, "rounds": rounds}
    reached = []
    for workers in (1, 2):
        seconds, scores = _seconds(problem, settings, workers)
        figures[f"trials_per_minute_{workers}"] = round(60 * trials / seconds, 2)
        reached.append(scores)
    if reached[0] != reached[1]:
        sys.exit("bench stopped: one worker and two did not find the same, so they did not do the same work")
    figures["ratio"] = round(figures["trials_per_minute_2"] / figures["trials_per_minute_1"], 3)
    figures["load_average_1m"] = round(os.getloadavg()[0], 2)
    output.write_text(json.dumps(figures, indent=1) + "\n")
    _console.print(figures)
    _console.print(f"Written to {output}")


if __name__ == "__main__":
    typer.run(main)
