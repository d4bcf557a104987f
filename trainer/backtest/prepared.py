"""What a recipe is judged or searched on: transactions that passed the checks, their features, the folds.

Backtest and tuning begin here. What either learns is left to them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from kuntur.hash_key import secret_from_hex
from kuntur.tables import Mapping, Table
from trainer import leakage
from trainer.backtest.folds import Fold, History, cut_folds
from trainer.backtest.run import history_of
from trainer.backtest.unrecognised import truth, without_reports
from trainer.checks import CheckReport, check_table
from trainer.dataset.keeping import Keeping
from trainer.dataset.training_set import Dataset, build
from trainer.leakage import LeakageReport
from trainer.progress import Progress
from trainer.settings.config import TrainerSettings
from trainer.sources.source import institution_zone, read_source


@dataclass(frozen=True, slots=True)
class Prepared:
    """A table with its features and folds.

    table: with all labels; dataset, history.recognised: with those that the bank came to know; delay_days: of
    labels; checks, leaks: what was found of the table.
    """

    table: Table
    dataset: Dataset
    history: History
    folds: list[Fold]
    delay_days: float
    checks: CheckReport
    leaks: LeakageReport

    def about(self) -> dict[str, Any]:
        """Returns what figures must say of the data that they are of, ready for JSON."""
        return {
            "sha256": self.table.data_hash,
            "rows": len(self.table),
            "zone": self.history.calendar.zone,
            "label_delay_days": self.delay_days,
            "currency": self.dataset.currency,
            "leakage": self.leaks.text,
            "warnings": [warning.told() for warning in self.checks.warnings],
        }


def zone_of_days(settings: TrainerSettings) -> str:
    """Returns the zone whose days a protocol means: the mapping's, UTC with a journal."""
    return "UTC" if settings.data.journal is not None else Mapping.load(settings.data.mapping).time.zone


def prepared(settings: TrainerSettings, progress: Progress, leave_out: tuple[str, ...] = ()) -> Prepared:
    """Reads the source with every label that became known, and refuses it where nothing may be learnt of it.

    leave_out: kinds of fraud that the bank is to be taken never to have recognised.
    The rows that the last fold learns from, which are the newest, are searched for columns that leak.
    Raises what `read_source` and `cut_folds` raise, DataCheckError, LeakageError, UnknownKindError.
    """
    source = read_source(settings, progress, in_hindsight=True)
    table, secret = source.table, secret_from_hex(settings.hash_key)
    checks = check_table(table, settings.checks, source.until)
    for warning in checks.warnings:
        progress.note(f"Warning: {warning.told()}")
    told = without_reports(table, leave_out)
    dataset = build(
        told,
        secret,
        lambda done: progress.step("Computing features", done, len(table)),
        Keeping(settings.work / "features", settings.ray, progress.note),
        institution_zone(settings, progress),
    )
    zone = zone_of_days(settings)
    history = history_of(table, dataset, round(source.until.timestamp() * 1_000_000), zone)
    history = replace(history, is_fraud=truth(table), recognised=dataset.is_fraud)
    delay_days = source.delay_days(settings.split)
    folds = cut_folds(history, settings.backtest, settings.split, delay_days)
    progress.note("Looking for columns that give the label away")
    leaks = leakage.check(told, secret, dataset, folds[-1].training, settings.leakage)
    return Prepared(table, dataset, history, folds, delay_days, checks, leaks)
