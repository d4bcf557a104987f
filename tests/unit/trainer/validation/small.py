"""A small judged model with everything that its figures rest on, made without a search and without Ray."""

from __future__ import annotations

import functools
import tempfile
from datetime import timedelta
from pathlib import Path

import numpy as np

from kuntur.hash_key import DEFAULT_HASH_KEY, secret_from_hex
from kuntur.tables import Mapping, read
from trainer.confined.session import run, session
from trainer.dataset.training_set import build, informative
from trainer.dataset.windows import windows
from trainer.evaluation import evaluate
from trainer.evaluation.bootstrap import Interval
from trainer.fitting.fit import fit
from trainer.release.candidate import ServedModel, prepare
from trainer.settings.config import TrainerSettings
from trainer.sources.split import cut
from trainer.synthetic import SyntheticConfig, generate
from trainer.validation import Case

RECIPE = {
    "algorithm": "xgboost", "imbalance": "none", "history_days": 0, "columns": 0, "rounds": 12,
    "max_depth": 4, "learning_rate": 0.3, "subsample": 0.9, "colsample_bytree": 0.5, "reg_lambda": 5.0,
    "min_child_weight": 1.0,
}  # fmt: skip
SETTINGS = TrainerSettings.model_validate(
    {
        "split": {"label_delay_days": 4, "select_days": 4, "calibrate_days": 6, "test_days": 6},
        "thresholds": {"review_alerts_per_day": 6, "decline_alerts_per_day": 2},
        "card": {"owner": "Fraud analytics", "folds": 2},
    }
)


@functools.cache
def small_case() -> Case:
    """Returns it; the same in all tests of a process."""
    size = {"transactions": 6_000, "accounts": 300, "merchants": 400, "days": 60, "fraud_rate": 0.04}
    config = SyntheticConfig.model_validate(size | {"fraud_delay_median_days": 1})
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "transactions.parquet"
        generate(config).drop("fraud_cause").write_parquet(path)
        table = read([str(path)], Mapping.load("kuntur"))
    dataset = build(table, secret_from_hex(DEFAULT_HASH_KEY), lambda _: None)
    until = table.frame["event_time"].max() + timedelta(microseconds=1)  # type: ignore[operator]
    until_us = round(until.timestamp() * 1e6)
    split = cut(dataset.event_time_us, until_us, SETTINGS.split, 4.0)
    columns = np.flatnonzero(informative(dataset.features.take(split.train)))
    names = tuple(dataset.names[column] for column in columns)
    rows = windows(dataset, split, columns, until_us)
    fitted = fit(rows.training, RECIPE, threads=1, seed=SETTINGS.search.seed)
    model = prepare(fitted, names, rows, SETTINGS, dataset.currency)
    probability = run(session(model.onnx), model.inputs(rows.test))
    return Case(model, probability, rows, names, dataset, split, until_us, SETTINGS)


@functools.cache
def small_figures() -> tuple[dict[str, float], dict[str, Interval]]:
    """Returns the figures of the test window and their intervals."""
    case = small_case()
    test, model = case.rows.test, case.model
    assert isinstance(model, ServedModel)
    judged = test.label, case.probability, test.amount, SETTINGS.split.test_days, model.thresholds
    return evaluate.figures(*judged), evaluate.intervals(*judged, case.account, replicates=50)
