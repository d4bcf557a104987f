"""The composition root of a backtest: settings to a source, its features, rounds and files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from kuntur.identity import secret_from_hex
from kuntur.tables import Mapping
from trainer import leakage
from trainer.backtest.document import as_json, document
from trainer.backtest.fits import Fitting, margins
from trainer.backtest.folds import cut_folds
from trainer.backtest.plots import write_plots
from trainer.backtest.run import Round, backtest, history_of, scored_rows
from trainer.backtest.summary import Summary, summarise
from trainer.config import TrainerSettings
from trainer.dataset import build
from trainer.pipeline import DEFAULT_LABEL_DELAY_DAYS
from trainer.progress import Progress
from trainer.recipe import Recipe
from trainer.shards import replay_of
from trainer.source import read_source


@dataclass(frozen=True, slots=True)
class Backtest:
    """What a backtest came to; scored: the recipe's test rows; document: all figures, ready for JSON."""

    rounds: list[Round]
    summary: Summary
    scored: pl.DataFrame
    document: dict[str, Any]


def run(
    settings: TrainerSettings, recipe_path: Path | None, progress: Progress, fitting: Fitting = margins
) -> Backtest:
    """Reads the source with every label that became known, and judges a recipe on its folds.

    recipe_path: the shipped recipe when None; fitting: carries the fits out, on Ray unless told otherwise.
    Raises what `read_source`, `Recipe.read` and `backtest` raise.
    """
    recipe = Recipe.shipped() if recipe_path is None else Recipe.read(recipe_path)
    source = read_source(settings, progress, in_hindsight=True)
    table = source.table
    delay = settings.split.label_delay_days
    if delay is None:
        delay = DEFAULT_LABEL_DELAY_DAYS if source.label_delay_days is None else source.label_delay_days
    zone = "UTC" if settings.data.journal is not None else Mapping.load(settings.data.mapping).time.zone
    secret = secret_from_hex(settings.hash_key)
    dataset = build(
        table,
        secret,
        lambda done: progress.step("Computing features", done, len(table)),
        replay_of(settings.ray, len(table)),
    )
    history = history_of(table, dataset, round(source.until.timestamp() * 1_000_000), zone)
    folds = cut_folds(history, settings.backtest, settings.split, delay)
    progress.note("Looking for columns that give the label away")
    leaks = leakage.check(table, secret, dataset, folds[-1].training, settings.leakage)
    rounds = backtest(table, dataset, history, folds, recipe.parameters, delay, settings, progress, fitting)
    summary = summarise(
        rounds, settings.backtest, lambda done, total: progress.step("Resampling accounts", done, total)
    )
    context = {
        "sha256": table.data_hash,
        "rows": len(table),
        "zone": zone,
        "label_delay_days": delay,
        "currency": dataset.currency,
        "leakage": leaks.text,
    }
    return Backtest(
        rounds,
        summary,
        scored_rows(table, rounds),
        document(rounds, summary, recipe.parameters, context, settings),
    )


def write(found: Backtest, output: Path | None, json_file: Path | None, plots: Path | None) -> list[Path]:
    """Writes what was asked for and gives the paths. output: .csv, else Parquet."""
    written = []
    if output is not None:
        if output.suffix == ".csv":
            found.scored.write_csv(output)
        else:
            found.scored.write_parquet(output)
        written.append(output)
    if json_file is not None:
        json_file.write_bytes(as_json(found.document))
        written.append(json_file)
    if plots is not None:
        written += write_plots(found.rounds, plots)
    return written
