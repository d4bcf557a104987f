"""`kuntur-trainer tune`: options to settings, a recipe and its history to files."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from trainer.cli.faults import console, fault, training
from trainer.cli.options import (
    TIMES,
    ConfigOption,
    FilesArgument,
    FoldsOption,
    LabelDelayOption,
    MappingOption,
    MethodOption,
    RayAddressOption,
    SearchWorkOption,
    SinceOption,
    TrainingDaysOption,
    TrialsOption,
    UntilLastLabelOption,
    data_options,
    first_days,
    settings_with_source,
)


def tune(
    files: FilesArgument = None,
    config: ConfigOption = None,
    mapping: MappingOption = None,
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
    folds: FoldsOption = None,
    label_delay_days: LabelDelayOption = None,
    training_days: TrainingDaysOption = None,
    trials: TrialsOption = None,
    method: MethodOption = None,
    scheduler: Annotated[str | None, typer.Option(help="asha, median or none.")] = None,
    max_rounds: Annotated[int | None, typer.Option(help="Boosting rounds at the most.")] = None,
    max_rows: Annotated[int | None, typer.Option(help="Rows that a trial learns from at the most.")] = None,
    time_limit_s: Annotated[
        float | None, typer.Option(help="Seconds after which the best so far is taken.")
    ] = None,
    since: SinceOption = None,
    until: UntilLastLabelOption = None,
    work: SearchWorkOption = None,
    ray_address: RayAddressOption = None,
) -> None:
    """Searches a recipe on folds that follow one another in time. Nothing is published.

    Example: kuntur-trainer tune data.parquet --train-start 2024-03-01 --train-start 2024-03-08
    --trials 40 --output recipe.toml --history search.json

    Exit codes: 0 written, 1 no trial gave a result, 2 not carried out (data that
    fail a check, a column that gives the label away), 130 interrupted.
    """
    options: dict[str, Any] = {
        "data": data_options(files, mapping, since, until),
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
    missing = "nothing to judge on: give files, or name a source in --config"
    settings = settings_with_source(config, options, missing)
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
