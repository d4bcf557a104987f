"""`kuntur-trainer backtest`: options to settings, files written, tables shown."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from trainer.cli.faults import INTERRUPTED, console, fault, training
from trainer.cli.options import (
    TIMES,
    ConfigOption,
    FilesArgument,
    FoldsOption,
    LabelDelayOption,
    MappingOption,
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

_SUFFIXES = (".parquet", ".csv")


def backtest(
    files: FilesArgument = None,
    config: ConfigOption = None,
    mapping: MappingOption = None,
    recipe: Annotated[Path | None, typer.Option(help="Recipe to judge; the shipped one by default.")] = None,
    search: Annotated[
        bool | None,
        typer.Option(
            "--search", help="Each fold chooses its recipe as train would, on what was known before its test."
        ),
    ] = None,
    trials: TrialsOption = None,
    train_start: Annotated[
        list[datetime] | None,
        typer.Option(
            formats=TIMES,
            help="First day of a fold's training, at 0:00; once for each fold. By default the newest folds.",
        ),
    ] = None,
    folds: FoldsOption = None,
    train_days: Annotated[int | None, typer.Option(help="Days of the protocol's training.")] = None,
    test_days: Annotated[int | None, typer.Option(help="Days of a fold's test.")] = None,
    label_delay_days: LabelDelayOption = None,
    training_days: TrainingDaysOption = None,
    k: Annotated[int | None, typer.Option(help="Cards that are examined a day.")] = None,
    remove_known: Annotated[
        bool | None,
        typer.Option(help="Leave cards out of the test that were known to be compromised."),
    ] = None,
    leave_out: Annotated[
        list[str] | None,
        typer.Option(help="Kind of fraud that the bank never recognised: not learnt from, yet judged."),
    ] = None,
    resamples: Annotated[int | None, typer.Option(help="Replicates of the bootstrap.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of fits and bootstrap.")] = None,
    since: SinceOption = None,
    until: UntilLastLabelOption = None,
    output: Annotated[
        Path | None, typer.Option(help="File for each scored test row: .parquet or .csv.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="File for all figures.")] = None,
    plots: Annotated[
        Path | None, typer.Option(help="Directory for plots of each fold and of each kind, SVG.")
    ] = None,
    work: SearchWorkOption = None,
    ray_address: RayAddressOption = None,
) -> None:
    """Judges a recipe on folds that follow one another in time, beside baselines, with intervals.

    Each fold learns from what was known at the start of its test; with --search it chooses its recipe from
    that, too, as train would. Nothing is published.

    Examples:
      kuntur-trainer backtest data.parquet --folds 4 --output scored.parquet --json figures.json

      kuntur-trainer backtest data.parquet --search --trials 8


    Exit codes: 0 judged, 2 not carried out (a fold outside the data, data that
    fail a check, a column that gives the label away), 130 interrupted.
    """
    options: dict[str, Any] = {
        "data": data_options(files, mapping, since, until),
        "split": {"label_delay_days": label_delay_days, "training_days": training_days},
        "backtest": {
            "train_start": first_days(train_start),
            "folds": folds,
            "train_days": train_days,
            "test_days": test_days,
            "k": k,
            "search": search,
            "remove_known": remove_known,
            "leave_out": leave_out or None,
            "resamples": resamples,
            "seed": seed,
        },
        "search": {"trials": trials},
        "ray": {"address": ray_address},
        "work": work,
    }
    if output is not None and output.suffix not in _SUFFIXES:
        raise fault(f"{output}: scored rows are written as Parquet or CSV; end its name in .parquet or .csv")
    if recipe is not None and not recipe.exists():
        raise fault(f"{recipe}: no such file")
    missing = "nothing to judge on: give files, or name a source in --config"
    settings = settings_with_source(config, options, missing)
    if recipe is not None and settings.backtest.search:
        raise fault(f"each fold is to search its recipe, and {recipe} is one: leave out --recipe or --search")
    from trainer.progress import Terminal

    with training():
        from trainer.backtest.app import run, write
        from trainer.backtest.output.findings import show_findings
        from trainer.backtest.output.recipes import told_recipes
        from trainer.backtest.output.report import show

        try:
            with Terminal(console) as progress:
                found = run(settings, recipe, progress)
        except KeyboardInterrupt as error:
            console.print("interrupted; nothing was written")
            raise typer.Exit(INTERRUPTED) from error
        written = write(found, output, json_file, plots)
    show(found.rounds, found.summary, console)
    show_findings(found.findings, console)
    for line in told_recipes(found.rounds, found.chosen, searched=found.recipe is None):
        console.print(line, markup=False, highlight=False)
    for path in written:
        console.print(f"Wrote {path}", markup=False, highlight=False)
