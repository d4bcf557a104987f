"""A bank of a few weeks, made by hand: features that tell fraud apart, labels that come late."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from kuntur.tables import Table
from kuntur.tables.rejects import RejectReport
from trainer.backtest.fits import Fit, carried_out
from trainer.backtest.folds import History, cut_folds
from trainer.backtest.run import Round, backtest, history_of
from trainer.dataset.features import Features
from trainer.dataset.training_set import Dataset
from trainer.progress import Silent
from trainer.settings.config import TrainerSettings
from trainer.sources.labels import KnownOutcomes

START = datetime(2024, 5, 1, tzinfo=UTC)
DAY_US, DAYS, DELAY = 86_400_000_000, 40, 3
RECIPE = {"algorithm": "xgboost", "imbalance": "none", "rounds": 12, "max_depth": 3, "learning_rate": 0.3}


def bank(rows: int = 4_000, seed: int = 1) -> tuple[Table, Dataset]:
    """Returns transactions over 40 days of which a twentieth are fraud, known three days later."""
    chance = np.random.default_rng(seed)
    at = np.sort(chance.integers(0, DAYS * 86_400, rows))
    label = chance.random(rows) < 0.05
    account = chance.integers(0, rows // 4, rows)
    features = chance.normal(size=(rows, 5)).astype(np.float32)
    features[:, 0] += 2 * label
    features[:, 4] = 1  # tells nothing, and must not be learnt from
    amount = chance.gamma(2, 40, rows).round(2)
    time_us = round(START.timestamp() * 1_000_000) + at * 1_000_000
    reported = time_us + DELAY * DAY_US
    frame = pl.DataFrame(
        {
            "transaction_id": [f"t{i}" for i in range(rows)],
            "institution_id": [""] * rows,
            "event_time": pl.Series(time_us).cast(pl.Datetime("us", "UTC")),
            "account_id": account.astype(str),
            "amount_minor": (amount * 100).round().astype(np.int64),
            "channel": chance.integers(0, 3, rows).astype(np.int8),
            "merchant_id": chance.choice(["", "kiosk", "bank"], rows),
            "is_fraud": label,
            "reported_time": pl.Series(reported).cast(pl.Datetime("us", "UTC")),
            "source_row": np.arange(rows),
        }
    )
    dataset = Dataset(
        features=Features.of(features),
        names=tuple("abcde"),
        event_time_us=time_us,
        is_fraud=label,
        outcomes=KnownOutcomes(np.arange(rows), reported, label),
        currency="PEN",
        amount=amount,
        account=account,
        merchant=np.zeros(rows, dtype=np.int64),
        source_row=np.arange(rows),
        segments={},
    )
    return Table(frame, RejectReport(rows, 0, (), None)), dataset


def settings(**backtest_settings: Any) -> TrainerSettings:
    """Returns settings of two folds of a week's training and test."""
    fields = {"folds": 2, "resamples": 20, "k": 5, "calibrate_days": 6} | backtest_settings
    return TrainerSettings.model_validate(
        {
            "backtest": fields,
            "split": {"warm_up_days": 1},
            "thresholds": {"review_alerts_per_day": 6, "decline_alerts_per_day": 2},
        }
    )


def here(fits: list[Fit], rows: Any, chosen: Any, *_: Any) -> list[np.ndarray]:
    """Carries the fits out one after the other in this process."""
    return [
        carried_out(fit, rows[fit.inputs], rows["event_time_us"], chosen.cpus_per_fit, chosen.seed)
        for fit in fits
    ]


def history(table: Table, dataset: Dataset) -> History:
    """Returns the history of a bank, known until the last label came."""
    return history_of(table, dataset, int(dataset.event_time_us[-1]) + DELAY * DAY_US + 1, "America/Lima")


def rounds(table: Table, dataset: Dataset, chosen: TrainerSettings | None = None) -> list[Round]:
    """Runs a backtest in this process."""
    told, by = history(table, dataset), chosen or settings()
    folds = cut_folds(told, by.backtest, by.split, DELAY)
    return backtest(table, dataset, told, folds, [RECIPE] * len(folds), DELAY, by, Silent(), fitting=here)


def with_rows(dataset: Dataset, rows: np.ndarray, **values: Any) -> Dataset:
    """Returns a dataset with other values in some rows; outcomes follow is_fraud."""
    changed: dict[str, Any] = {}
    for name, new in values.items():
        old = getattr(dataset, name)
        values_of = old.load().copy() if isinstance(old, Features) else old.copy()
        values_of[rows] = new
        changed[name] = Features.of(values_of) if isinstance(old, Features) else values_of
    if "is_fraud" in changed:
        changed["outcomes"] = replace(dataset.outcomes, is_fraud=changed["is_fraud"])
    return replace(dataset, **changed)


def day(number: int) -> date:
    """Returns a day of the bank, counted from 0."""
    return (START + timedelta(days=number)).date()
