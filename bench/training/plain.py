"""A plain search with Ray Tune and XGBoost, as one writes it without Kuntur.

Reads features from Parquet, shares them with the trials through Ray's object store, tries the settings of a
file, a trial on each core, and judges each every few rounds by its average precision on the rows that choose.
`python -m bench.training.plain` takes what `bench.training.problem` wrote.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import xgboost as xgb
from sklearn.metrics import average_precision_score

LABEL, WEIGHT = "is_fraud", "weight"
EVERY = 20  # rounds between two reports
GRACE_REPORTS, REDUCTION = 9, 3  # of ASHA: as Kuntur's


Told = Callable[[dict[str, Any]], None]


class Report(xgb.callback.TrainingCallback):  # type: ignore[misc]  # xgboost has no types
    """Reports the average precision on the rows that choose every few rounds."""

    def __init__(self, select: xgb.DMatrix, truth: np.ndarray, report: Told) -> None:
        super().__init__()
        self._select, self._truth, self._report = select, truth, report

    def after_iteration(self, model: xgb.Booster, epoch: int, evals_log: object) -> bool:
        """Tells xgboost to go on."""
        del evals_log
        if (epoch + 1) % EVERY == 0:
            margin = model.predict(self._select, output_margin=True)
            score = float(average_precision_score(self._truth, margin))
            self._report({"average_precision": score, "rounds": epoch + 1})
        return False


def fit(setting: dict[str, Any], rows: dict[str, np.ndarray], report: Told) -> None:
    """Fits one setting; rows: by name, as `read` gives them."""
    settings = dict(setting)
    rounds, threads = settings.pop("rounds"), settings["nthread"]
    train = xgb.QuantileDMatrix(
        rows["train"], rows["label"], weight=rows["weight"], max_bin=settings["max_bin"], nthread=threads
    )
    select = xgb.DMatrix(rows["select"], nthread=threads)
    xgb.train(settings, train, rounds, callbacks=[Report(select, rows["truth"], report)])


def read(directory: Path) -> dict[str, np.ndarray]:
    """Reads features, float32 [n, columns], with labels and weights, and those that choose."""
    train, select = (pl.read_parquet(directory / f"{name}.parquet") for name in ("train", "select"))
    return {
        "train": train.drop(LABEL, WEIGHT).to_numpy(order="c"),
        "label": train[LABEL].cast(pl.Float32).to_numpy(),
        "weight": train[WEIGHT].to_numpy(),
        "select": select.drop(LABEL).to_numpy(order="c"),
        "truth": select[LABEL].to_numpy(),
    }


def search(rows: dict[str, np.ndarray], asked: dict[str, Any], storage: Path) -> list[dict[str, Any]]:
    """Tries all settings and returns what each came to, in their order."""
    import ray
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler, FIFOScheduler

    def trial(config: dict[str, Any], rows: dict[str, np.ndarray]) -> None:
        fit(config["setting"], rows, tune.report)

    scheduler = FIFOScheduler()
    if asked["scheduler"] == "asha":
        scheduler = ASHAScheduler(
            time_attr="training_iteration",
            max_t=asked["reports"],
            grace_period=min(GRACE_REPORTS, asked["reports"]),
            reduction_factor=REDUCTION,
        )
    ray.init(
        address="local", num_cpus=len(os.sched_getaffinity(0)), include_dashboard=False, log_to_driver=False
    )
    try:
        tuner = tune.Tuner(
            tune.with_resources(tune.with_parameters(trial, rows=rows), {"cpu": 1}),
            param_space={"setting": tune.grid_search(asked["trials"])},
            tune_config=tune.TuneConfig(
                metric="average_precision", mode="max", scheduler=scheduler, reuse_actors=True
            ),
            run_config=tune.RunConfig(name="plain", storage_path=str(storage.resolve()), verbose=0),
        )
        found = {json.dumps(one.config["setting"], sort_keys=True): one.metrics for one in tuner.fit()}
    finally:
        ray.shutdown()
    ordered = [found[json.dumps(setting, sort_keys=True)] for setting in asked["trials"]]
    return [{name: one[name] for name in ("average_precision", "rounds")} for one in ordered]


def main() -> None:
    """Searches and writes what was found and how long it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path, help="with train.parquet, select.parquet and settings.json")
    parser.add_argument("output", type=Path, help="JSON file for the result")
    parser.add_argument("--work", type=Path, required=True, help="where Ray Tune keeps its notes")
    arguments = parser.parse_args()
    asked = json.loads((arguments.directory / "settings.json").read_text(encoding="utf-8"))
    began = time.monotonic()
    rows = read(arguments.directory)
    read_s = time.monotonic() - began
    trials = search(rows, asked, arguments.work)
    search_s = time.monotonic() - began - read_s
    told = {"reading_s": read_s, "search_s": search_s, "trials": trials}
    arguments.output.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
