"""What both searches work on, as files: `python -m bench.training.problem DATA DIRECTORY`.

The rows and settings that `kuntur-trainer train` searches by the configuration of this measurement, from the
same parts: features by the engine, windows by the trainer's cut, the sample by its draw. Whether they are the
same shows in what the searches find.
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from kuntur.features import FEATURE_NAMES, FeatureEngine
from kuntur.hash_key import DEFAULT_HASH_KEY, secret_from_hex
from kuntur.tables import Mapping, read, to_batch
from trainer.models import SearchSpace
from trainer.models.gradient_boosting import booster_settings
from trainer.models.imbalance import drawn
from trainer.search.methods import random_points, reports
from trainer.settings.data import SplitSettings
from trainer.settings.searching import SearchSettings
from trainer.sources.labels import known_at, known_outcomes
from trainer.sources.split import cut

TRAIN, SELECT, SETTINGS = "train.parquet", "select.parquet", "settings.json"
LABEL, WEIGHT = "is_fraud", "weight"
LABEL_DELAY_DAYS = 14.0


def search_settings(trials: int, scheduler: str) -> dict[str, object]:
    """Returns the search of this measurement: XGBoost alone, settings that are known before it begins."""
    return {
        "trials": trials,
        "method": "random",
        "scheduler": scheduler,
        "algorithms": ["xgboost"],
        "imbalance": ["none"],
        "history_days": [0],
        "columns": [0],
    }


def main() -> None:
    """Writes rows to learn from, rows that choose, and the settings of the trials."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--trials", type=int, default=4)
    parser.add_argument("--scheduler", choices=("asha", "none"), default="none")
    arguments = parser.parse_args()
    settings = SearchSettings.model_validate(search_settings(arguments.trials, arguments.scheduler))
    arguments.directory.mkdir(parents=True, exist_ok=True)
    train, select = rows(arguments.data, settings)
    train.write_parquet(arguments.directory / TRAIN)
    select.write_parquet(arguments.directory / SELECT)
    document = {
        "scheduler": settings.scheduler,
        "reports": reports(settings.max_rounds),
        "trials": plain_settings(settings),
    }
    (arguments.directory / SETTINGS).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def rows(path: Path, settings: SearchSettings) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Returns what a trial learns from and what judges it: features, label, and weight of the former."""
    table = read(path, Mapping.load("kuntur"))
    times = table.frame["event_time"].dt.timestamp("us").to_numpy()
    until_us = int(times[-1]) + 1
    table = known_at(table, datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=until_us))
    batch = to_batch(table.frame, secret_from_hex(DEFAULT_HASH_KEY))
    known, outcomes = known_outcomes(table, batch.keys)
    features = FeatureEngine().replay(batch, outcomes)
    split = cut(times, until_us, SplitSettings(), LABEL_DELAY_DAYS)
    taught = known.labels(len(table), split.select_start_us)[split.train]
    columns = _varying(features[split.train])
    chosen, factor = drawn(taught.astype(np.float32), settings.max_rows, settings.seed)
    train = _frame(features[split.train[chosen]], columns).with_columns(
        pl.Series(LABEL, taught[chosen]), pl.Series(WEIGHT, factor)
    )
    judged = known.labels(len(table), until_us)[split.select]
    select = _frame(features[split.select], columns).with_columns(pl.Series(LABEL, judged))
    return train, select


def _varying(features: npt.NDArray[np.float32]) -> list[int]:
    with np.errstate(all="ignore"):
        same = (features == features[0]) | (np.isnan(features) & np.isnan(features[0]))
    return np.flatnonzero(~same.all(axis=0)).tolist()


def _frame(features: npt.NDArray[np.float32], columns: list[int]) -> pl.DataFrame:
    return pl.DataFrame({FEATURE_NAMES[column]: features[:, column] for column in columns})


def plain_settings(settings: SearchSettings) -> list[dict[str, object]]:
    """Returns what the trials give to XGBoost, in their order; `rounds` is how often it boosts."""
    space = SearchSpace(
        settings.algorithms,
        settings.max_rounds,
        settings.imbalance,
        settings.history_days,
        settings.columns,
    )
    return [
        booster_settings(point, settings.cpus_per_trial, settings.seed) | {"rounds": point["rounds"]}
        for point in random_points(settings, space)
    ]


if __name__ == "__main__":
    main()
