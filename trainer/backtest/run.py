"""The story of a backtest, from a table of transactions to figures with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from kuntur.bundle.bundle import Thresholds
from kuntur.tables import Table
from trainer.backtest.calendar import Calendar
from trainer.backtest.contenders import ON_RAW_COLUMNS, RECIPE, UNLEARNT, unlearnt_margin
from trainer.backtest.figures.scored import Scored, ranked_probability
from trainer.backtest.fits import Fit, Fitting, margins
from trainer.backtest.folds import Fold, History, Rows
from trainer.backtest.holdout import Holdout, hold_out, newest_rows
from trainer.backtest.raw_columns import raw_columns
from trainer.dataset.training_set import Dataset, informative
from trainer.fitting.settled import Newest, settled
from trainer.models import Parameters
from trainer.progress import Progress
from trainer.settings.config import TrainerSettings

Float32 = npt.NDArray[np.float32]
_DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Judged:
    """A contender on a fold: its test rows with their scores, and what was settled before the test."""

    scored: Scored
    thresholds: Thresholds
    calibration: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Round:
    """A fold with everything that was done on it.

    training_frauds: known frauds among fold.training; judged: by contender, the recipe first.
    """

    fold: Fold
    holdout: Holdout
    training_frauds: int
    judged: dict[str, Judged]


def history_of(table: Table, dataset: Dataset, known_until_us: int, zone: str) -> History:
    """Returns what cutting folds needs to know of a table."""
    return History(
        event_time_us=dataset.event_time_us,
        account=account_numbers(table.frame),
        is_fraud=dataset.is_fraud,
        known_until_us=known_until_us,
        calendar=Calendar(zone),
    )


def account_numbers(frame: pl.DataFrame) -> npt.NDArray[np.int64]:
    """Returns a number for each account, int64 [n], that rises with its id.

    Ids that are all whole numbers rise as numbers, others as text; those of one institution come together.
    """
    as_number = pl.col("account_id").cast(pl.Int64, strict=False)
    numeric = frame.select(
        (as_number.is_not_null() & (as_number.cast(pl.String) == pl.col("account_id"))).all()
    )
    account = as_number if numeric.item() else pl.col("account_id")
    number = pl.struct("institution_id", account.alias("account")).rank("dense")
    return frame.select(number.cast(pl.Int64) - 1).to_series().to_numpy()


def backtest(
    table: Table,
    dataset: Dataset,
    history: History,
    folds: list[Fold],
    recipes: Sequence[Parameters],
    delay_days: float,
    settings: TrainerSettings,
    progress: Progress,
    fitting: Fitting = margins,
) -> list[Round]:
    """Fits a recipe and the baselines on each fold and scores its test.

    recipes: of each fold, with its number of rounds; fitting: carries the fits out, on Ray unless told
    otherwise.
    Nothing of a fold's test but its features is looked at before it is scored. Raises TooLittleHistoryError,
    ClusterError.
    """
    chosen = settings.backtest
    held = [
        hold_out(fold, history, dataset.labels_at(fold.test_start_us), chosen, delay_days) for fold in folds
    ]
    newest = [_newest(fold, history, dataset, settings, delay_days) for fold in folds]
    contenders = (RECIPE, *chosen.baselines)
    fits = {
        (fold.number, name, tested): _fit(name, recipe, fold, holdout, late, dataset, tested=tested)
        for recipe, fold, holdout, late in zip(recipes, folds, held, newest, strict=True)
        for name in contenders
        if name not in UNLEARNT
        for tested in (True, False)
    }
    end = int(folds[-1].test[-1]) + 1
    learnt = slice(folds[-1].training[0], folds[-1].training[-1] + 1)
    columns = np.flatnonzero(informative(dataset.features.take(learnt)))
    rows: dict[str, npt.NDArray[Any]] = {
        "features": dataset.features.take(slice(0, end)).only(columns).load(),
        "event_time_us": dataset.event_time_us[:end],
    }
    if set(contenders) & set(ON_RAW_COLUMNS):
        rows["raw"] = raw_columns(table.frame.head(end), history.calendar.zone)
    frauds = sum(int(history.is_fraud[fold.test].sum()) for fold in folds)
    progress.note(
        f"{len(folds)} folds, tested from {folds[0].test_start} on {sum(len(f.test) for f in folds):,} "
        f"transactions ({frauds:,} frauds); {len(columns)} features"
    )
    found = dict(zip(fits, fitting(list(fits.values()), rows, chosen, settings.ray, progress), strict=True))
    rounds = []
    for fold, holdout, late in zip(folds, held, newest, strict=True):
        judged = {}
        for name in contenders:
            if name in UNLEARNT:
                scored = (holdout.rows, np.concatenate([late, fold.test]))
                before, tested = (unlearnt_margin(name, dataset.amount[rows_]) for rows_ in scored)
            else:
                before, tested = (found[fold.number, name, final] for final in (False, True))
            margins_ = np.split(tested, [len(late)])
            judged[name] = _judged(
                before, margins_[0], margins_[1], fold, holdout, history, dataset, settings
            )
        known = dataset.labels_at(fold.test_start_us)[fold.training]
        rounds.append(Round(fold, holdout, int(known.sum()), judged))
    return rounds


def _fit(
    name: str,
    recipe: Parameters,
    fold: Fold,
    holdout: Holdout,
    newest: Rows,
    dataset: Dataset,
    *,
    tested: bool,
) -> Fit:
    start, end, end_us = int(fold.training[0]), int(fold.training[-1]) + 1, fold.train_end_us
    if not tested:
        end, end_us = holdout.first, holdout.start_us
    known = dataset.labels_at(fold.test_start_us)[start:end]
    judged = np.concatenate([newest, fold.test]) if tested else holdout.rows
    return Fit(name, start, end, end_us, known, judged, dict(recipe) if name == RECIPE else {})


def _newest(
    fold: Fold, history: History, dataset: Dataset, settings: TrainerSettings, delay_days: float
) -> Rows:
    """Returns the rows just before a test, where the settings ask something of them."""
    if not settings.calibration.prior_shift and settings.thresholds.method != "rank":
        return fold.test[:0]
    known = dataset.labels_at(fold.test_start_us)
    return newest_rows(fold, history, known, settings.backtest, delay_days)


def _judged(
    before: Float32,
    newest: Float32,
    tested: Float32,
    fold: Fold,
    holdout: Holdout,
    history: History,
    dataset: Dataset,
    settings: TrainerSettings,
) -> Judged:
    """Settles calibration and thresholds on the days held out, and only then scores the test.

    before, newest, tested: margins of the days held out by the first fit, of the newest rows and of the test
    by the one that is tested.
    """
    days = (fold.test_start_us - fold.train_end_us) / _DAY_US
    found = settled(
        before,
        holdout.label,
        dataset.amount[holdout.rows],
        holdout.days,
        settings.calibration,
        settings.thresholds,
        dataset.currency,
        Newest(newest, days) if len(newest) else None,
    )
    scored = Scored(
        label=history.is_fraud[fold.test],
        score=ranked_probability(found.calibration.probability(tested), tested),
        amount=dataset.amount[fold.test],
        account=history.account[fold.test],
        day=fold.test_day,
        days=settings.backtest.test_days,
    )
    return Judged(scored, found.thresholds, found.calibration.describe())


def scored_rows(table: Table, rounds: list[Round]) -> pl.DataFrame:
    """Returns the recipe's test rows, fold by fold in event order, for others to check."""
    parts = []
    for one in rounds:
        ids = table.frame.select("event_time", "account_id", "transaction_id")[one.fold.test]
        kind = [] if table.kinds is None else [table.kinds[one.fold.test]]
        scored = one.judged[RECIPE].scored
        parts.append(
            ids.with_columns(
                pl.Series("fraud_probability", scored.score), pl.Series("is_fraud", scored.label), *kind
            ).select(pl.lit(one.fold.number, dtype=pl.Int32).alias("fold"), pl.all())
        )
    return pl.concat(parts)
