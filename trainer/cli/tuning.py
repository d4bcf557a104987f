"""`kuntur-trainer tune`: options to settings, a recipe and its history to files."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from trainer.cli.faults import console, fault, training
from trainer.cli.options import TIMES, ZONE, first_days, given, settings_of


def tune(
    files: Annotated[list[str] | None, typer.Argument(help="CSV, Parquet or JSON lines; globs too.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="TOML file with settings.", envvar="KUNTUR_TRAINER_CONFIG")
    ] = None,
    mapping: Annotated[
        str | None, typer.Option(help="kuntur, handbook, or the path of a mapping file.")
    ] = None,
    output: Annotated[Path, typer.Option(help="Recipe to write, TOML.")] = Path("recipe.toml"),
    history: Annotated[Path | None, typer.Option(help="JSON file for everything that was tried.")] = None,
    train_start: Annotated[
        list[datetime] | None,
        typer.Option(
            formats=TIMES,
            help="First day of a fold's training, at 0:00; once for each fold. By default the newest folds. "
            "Name folds that no later backtest judges the recipe on.",
        ),
    ] = None,
    folds: Annotated[int | None, typer.Option(help="Folds, where no --train-start names them.")] = None,
    label_delay_days: Annotated[float | None, typer.Option(help="Days until labels are complete.")] = None,
    training_days: Annotated[
        float | None, typer.Option(help="Days to learn from at the most; the whole history by default.")
    ] = None,
    trials: Annotated[int | None, typer.Option(help="Settings to try.")] = None,
    method: Annotated[str | None, typer.Option(help="tpe, hyperopt, random or grid.")] = None,
    scheduler: Annotated[str | None, typer.Option(help="asha, median or none.")] = None,
    max_rounds: Annotated[int | None, typer.Option(help="Boosting rounds at the most.")] = None,
    max_rows: Annotated[int | None, typer.Option(help="Rows that a trial learns from at the most.")] = None,
    time_limit_s: Annotated[
        float | None, typer.Option(help="Seconds after which the best so far is taken.")
    ] = None,
    since: Annotated[
        datetime | None, typer.Option(formats=TIMES, help=f"Earliest event time to read. {ZONE}")
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(
            formats=TIMES,
            help="Later transactions and labels are unknown; by default just after the last label. " + ZONE,
        ),
    ] = None,
    work: Annotated[
        Path | None, typer.Option(help="Where the search keeps its state; a killed run goes on from it.")
    ] = None,
    ray_address: Annotated[str | None, typer.Option(help="Ray cluster; local Ray by default.")] = None,
) -> None:
    """Searches a recipe on folds that follow one another in time. Nothing is published.

    Example: kuntur-trainer tune data.parquet --train-start 2024-03-01 --train-start 2024-03-08
    --trials 40 --output recipe.toml --history search.json

    Exit codes: 0 written, 1 no trial gave a result, 2 not carried out (data that
    fail a check, a column that gives the label away), 130 interrupted.
    """
    options: dict[str, Any] = {
        "data": {
            "paths": tuple(files) if files else None,
            "mapping": mapping,
            "since": since,
            "until": until,
        },
        "split": {"label_delay_days": label_delay_days, "training_days": training_days},
        "backtest": {
            "train_start": first_days(train_start),
            "folds": folds,
        },
        "search": {
            "trials": trials,
            "method": method,
            "scheduler": scheduler,
            "max_rounds": max_rounds,
            "max_rows": max_rows,
            "time_limit_s": time_limit_s,
        },
        "ray": {"address": ray_address},
        "work": work,
    }
    if output.suffix != ".toml":
        raise fault(f"{output}: a recipe is written as TOML; end its name in .toml")
    settings = settings_of(config, given(options))
    if not settings.data.chosen:
        raise fault("nothing to judge on: give files, or name a source in --config")
    from trainer.progress import Terminal

    with training():
        from trainer.tuning.run import tune as run

        with Terminal(console) as progress:
            found = run(settings, progress)
        written = found.write(output, history)
    for line in found.notes():
        console.print(line, markup=False, highlight=False)
    for path in written:
        console.print(f"Wrote {path}", markup=False, highlight=False)
